package mirror

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/meshtest"
)

func TestBodiesAreCopiedWhileTheyStream(t *testing.T) {
	tests := map[string]struct {
		body func(r *http.Request)
		read int // by the primary; negative is all
		want Stats
		got  string
	}{
		"of known length":          {func(r *http.Request) { r.Body, r.ContentLength = text("payload"), 7 }, -1, Stats{Sent: 1}, "payload"},
		"read without its end":     {func(r *http.Request) { r.Body, r.ContentLength = text("payload"), 7 }, 7, Stats{Sent: 1}, "payload"},
		"of unknown length":        {func(r *http.Request) { r.Body, r.ContentLength = text("payload"), -1 }, -1, Stats{Sent: 1}, "payload"},
		"empty":                    {func(r *http.Request) { r.Body, r.ContentLength = text(""), -1 }, -1, Stats{Sent: 1}, ""},
		"that can be had again":    {again("payload"), 0, Stats{Sent: 1}, "payload"},
		"none":                     {func(r *http.Request) {}, 0, Stats{Sent: 1}, ""},
		"http.NoBody":              {func(r *http.Request) { r.Body = http.NoBody }, 0, Stats{Sent: 1}, ""},
		"as large as allowed":      {func(r *http.Request) { r.Body, r.ContentLength = text(strings.Repeat("x", 10)), -1 }, -1, Stats{Sent: 1}, "xxxxxxxxxx"},
		"announced as larger":      {func(r *http.Request) { r.Body, r.ContentLength = text(strings.Repeat("x", 11)), 11 }, -1, Stats{TooLarge: 1}, ""},
		"larger without a warning": {func(r *http.Request) { r.Body, r.ContentLength = text(strings.Repeat("x", 11)), -1 }, -1, Stats{TooLarge: 1}, ""},
		"not read to its end":      {func(r *http.Request) { r.Body, r.ContentLength = text("payload"), 7 }, 3, Stats{Unread: 1}, ""},
		"broken":                   {func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(brokenReader{}), 7 }, -1, Stats{Unread: 1}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			up := meshtest.NewUpstream()
			m := must(t, Config{To: up, Share: mesh.Always, MaxBody: 10})
			r := request(t, "POST", "http://svc.example/", "")
			tt.body(r)
			send(t, m.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Body != nil {
					if tt.read < 0 {
						io.Copy(io.Discard, r.Body)
					} else {
						io.ReadFull(r.Body, make([]byte, tt.read))
					}
					r.Body.Close()
				}
				return mesh.ResponseFor(r, &mesh.Error{Status: 200}), nil
			})), r)
			require.Equal(t, tt.want, settled(t, m))
			if tt.want.Sent == 0 {
				require.Empty(t, up.Requests())
				return
			}
			copied := up.Requests()[0]
			require.Equal(t, int64(len(tt.got)), copied.ContentLength)
			var got []byte
			if copied.Body != nil {
				got, _ = io.ReadAll(copied.Body)
			}
			require.Equal(t, tt.got, string(got))
		})
	}
}

func text(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

func again(s string) func(*http.Request) {
	return func(r *http.Request) {
		r.Body, r.ContentLength = text(s), int64(len(s))
		r.GetBody = func() (io.ReadCloser, error) { return text(s), nil }
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestTrailersAreCopied(t *testing.T) {
	up := meshtest.NewUpstream()
	m := must(t, Config{To: up, Share: mesh.Always})
	r := request(t, "POST", "http://svc.example/", "payload")
	r.ContentLength = -1
	r.Trailer = http.Header{"X-Sum": {"1"}}
	send(t, m.Transport(meshtest.NewUpstream()), r)
	settled(t, m)
	require.Equal(t, http.Header{"X-Sum": {"1"}}, up.Requests()[0].Trailer)
}
