package build

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/internal/flow"
)

func TestWhomARequestComesFrom(t *testing.T) {
	for _, tt := range []struct {
		name    string
		gateway bool
		header  http.Header
		want    string // empty is the connection
	}{
		{"the connection", false, nil, ""},
		{"the last address", false, http.Header{"X-Forwarded-For": {"10.1.2.3, 10.4.5.6"}}, "10.4.5.6:0"},
		{"of the last line", false, http.Header{"X-Forwarded-For": {"10.1.2.3", "2001:db8::1"}}, "[2001:db8::1]:0"},
		{"the connection where that is the last", false, http.Header{"X-Forwarded-For": {"10.1.2.3, 192.0.2.1"}}, ""},
		{"and where the last is no address", false, http.Header{"X-Forwarded-For": {"10.1.2.3, unknown"}}, ""},
		{"what a gateway says", true, http.Header{"X-Forwarded-For": {"10.1.2.3"}, "X-Envoy-External-Address": {"10.9.9.9"}}, "10.9.9.9:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://a/", nil) // from 192.0.2.1:1234
			r.Header = tt.header.Clone()
			if r.Header == nil {
				r.Header = http.Header{}
			}
			got := ""
			next := roundTrip(func(r *http.Request) (*http.Response, error) {
				if m := flow.Of(r).More; m != nil {
					got = m.Remote
				}
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
			})
			var log strings.Builder
			sink, err := access.Envoy(&log, "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%")
			require.NoError(t, err)
			_, err = sink.Transport(proxyHeaders{next, tt.gateway}).RoundTrip(r)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			require.Equal(t, cmp.Or(tt.want, r.RemoteAddr)+" "+r.RemoteAddr, log.String())
		})
	}
}

func TestAttemptsAreNumberedBeforeRulesAndForEachRetry(t *testing.T) {
	var seen []string
	last := roundTrip(func(r *http.Request) (*http.Response, error) {
		seen = append(seen, r.Header.Get(attemptCount))
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
	})
	rule := roundTrip(func(r *http.Request) (*http.Response, error) {
		seen = append(seen, "rule sees "+r.Header.Get(attemptCount))
		r.Header.Del(attemptCount)
		try := flow.TryOf(r)
		for try.N = 1; try.N <= 3; try.N++ {
			if _, err := (furtherAttempts{last}).RoundTrip(r); err != nil {
				return nil, err
			}
		}
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
	})
	_, r := flow.Ensure(httptest.NewRequest("GET", "http://a/", nil))
	_, err := firstAttempt{rule}.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, []string{"rule sees 1", "", "2", "3"}, seen)
}
