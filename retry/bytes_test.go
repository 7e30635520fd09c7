package retry_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/retry"
)

// Whoever pays for traffic wants to know what attempts beside the one that counts
// have cost.
func TestBytesOfAllAttemptsAreAccountedFor(t *testing.T) {
	// Each attempt reads the request's five bytes, and is answered with three.
	type reply struct {
		after  time.Duration
		status int
	}
	server := func(replies ...reply) http.RoundTripper {
		var n atomic.Int32
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			_, err := io.Copy(io.Discard, r.Body)
			r.Body.Close()
			reply := replies[n.Add(1)-1]
			time.Sleep(reply.after)
			return &http.Response{StatusCode: reply.status, ContentLength: -1, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("abc")), Request: r}, err
		})
	}
	for name, tt := range map[string]struct {
		config retry.Config
		server http.RoundTripper
		want   retry.Stats
	}{
		"an attempt that counts costs nothing more": {
			retry.Config{}, server(reply{0, 200}), retry.Stats{},
		},
		"a retry": {
			retry.Config{Attempts: 1, On: []retry.Condition{retry.ServerError}, Backoff: quick}, server(reply{0, 503}, reply{0, 200}),
			retry.Stats{Retries: 1, Rescued: 1, Discarded: 3, Resent: 5},
		},
		"a hedge that fails while the first attempt is under way": {
			retry.Config{On: []retry.Condition{retry.ServerError}, Hedge: retry.Hedge{After: time.Second}}, server(reply{2 * time.Second, 200}, reply{time.Millisecond, 503}),
			retry.Stats{Hedges: 1, Discarded: 3, Resent: 5},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				policy := mustNew(t, tt.config)
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://svc.example/", strings.NewReader("hello"))
				require.NoError(t, err)
				res, err := policy.Transport(tt.server).RoundTrip(r)
				require.NoError(t, err)
				require.Equal(t, 200, res.StatusCode)
				res.Body.Close()
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Equal(t, tt.want, policy.Stats())
			})
		})
	}
}
