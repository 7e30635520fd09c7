package timeout

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

// untilTheEnd sends nothing: it waits for the end of the request's context, and
// looks at it.
type untilTheEnd func(context.Context)

// RoundTrip implements http.RoundTripper.
func (look untilTheEnd) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	<-r.Context().Done()
	look(r.Context())
	return nil, context.Cause(r.Context())
}

func TestTheContextSaysThatTheTimeIsOver(t *testing.T) {
	// One Timeout for all, in bubbles that know nothing of each other's timers.
	both := bounded(t, Config{Total: time.Second, Honor: anybody})
	for name, r := range map[string]func() *http.Request{
		"without a body": func() *http.Request { return httptest.NewRequest("GET", "http://svc/", nil) },
		"with a body":    func() *http.Request { return httptest.NewRequest("POST", "http://svc/", strings.NewReader("x")) },
		"by a wish": func() *http.Request {
			r := httptest.NewRequest("GET", "http://svc/", nil)
			r.Header.Set("x-envoy-upstream-rq-timeout-ms", "1000")
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, err := both.Transport(untilTheEnd(func(ctx context.Context) {
					require.Equal(t, context.DeadlineExceeded, ctx.Err())
					child, cancel := context.WithCancel(ctx)
					defer cancel()
					require.ErrorIs(t, context.Cause(child), context.DeadlineExceeded)
					deadline, ok := ctx.Deadline()
					require.True(t, ok)
					require.Equal(t, time.Second, deadline.Sub(start))
				})).RoundTrip(r())
				require.Equal(t, time.Second, time.Since(start))
				require.Equal(t, mesh.UpstreamTimeout, mesh.FlagOf(err))
			})
		})
	}
}

// Whichever of two bounds is over first, the context inside both says the same.
func TestTheContextInsideOfTwoBoundsSaysSoToo(t *testing.T) {
	for name, c := range map[string]struct{ outer, inner time.Duration }{
		"outer": {time.Second, time.Minute},
		"inner": {time.Minute, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				look := untilTheEnd(func(ctx context.Context) { require.Equal(t, context.DeadlineExceeded, ctx.Err()) })
				rt := mesh.Chain(bounded(t, Config{Total: c.outer}).Transport, bounded(t, Config{Total: c.inner}).Transport)(look)
				_, err := rt.RoundTrip(httptest.NewRequest("GET", "http://svc/", nil))
				require.Equal(t, mesh.UpstreamTimeout, mesh.FlagOf(err))
			})
		})
	}
}

func TestManyRequestsEndEachInItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := bounded(t, Config{Total: time.Second}).Transport(untilTheEnd(func(context.Context) {}))
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				start := time.Now()
				_, err := rt.RoundTrip(httptest.NewRequest("GET", "http://svc/", nil))
				require.Equal(t, mesh.UpstreamTimeout, mesh.FlagOf(err))
				require.Equal(t, time.Second, time.Since(start))
			})
			time.Sleep(time.Millisecond)
		}
		all.Wait()
	})
}
