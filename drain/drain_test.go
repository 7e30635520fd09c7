package drain_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/drain"
	"github.com/sidecarless/mesh/meshtest"
)

func TestTheLayerKeepsTheContract(t *testing.T) {
	for name, began := range map[string]bool{"serving": false, "draining": true} {
		t.Run(name, func(t *testing.T) {
			var d drain.Drain
			if began {
				d.Begin()
				// Headers of the layer's own are what it is for.
				meshtest.TestHandler(t, func(next http.Handler) http.Handler {
					return d.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						w.Header().Del("Connection")
						w.Header().Del("X-Envoy-Immediate-Health-Check-Fail")
						next.ServeHTTP(w, r)
					}))
				})
				return
			}
			meshtest.TestHandler(t, d.Handler)
		})
	}
}

func TestAServerThatDrainsServesAndSaysThatItLeaves(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			var d drain.Drain
			s := httptest.NewUnstartedServer(d.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })))
			s.EnableHTTP2 = http2
			s.StartTLS()
			defer s.Close()
			get := func() (reused bool, leaving string) {
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused },
				})
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
				require.NoError(t, err)
				res, err := s.Client().Do(r)
				require.NoError(t, err)
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.Equal(t, "ok", string(body))
				require.Equal(t, http2, res.ProtoMajor == 2)
				return reused, res.Header.Get("X-Envoy-Immediate-Health-Check-Fail")
			}
			_, leaving := get()
			require.Empty(t, leaving)
			reused, _ := get()
			require.True(t, reused)
			d.Begin()
			reused, leaving = get()
			require.True(t, reused)
			require.Equal(t, "true", leaving)
			require.Eventually(t, func() bool { reused, _ := get(); return !reused }, time.Minute, time.Millisecond, "the connection is given up")
		})
	}
}

func TestReadiness(t *testing.T) {
	var d drain.Drain
	for _, want := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		w := httptest.NewRecorder()
		d.Ready(w, httptest.NewRequest("GET", "/ready", nil))
		require.Equal(t, want, w.Code)
		require.Equal(t, want != http.StatusOK, d.Draining())
		d.Begin()
	}
}

// An upgraded connection is its handler's: what is said of it would break it.
func TestUpgradesAreLeftAlone(t *testing.T) {
	var d drain.Drain
	d.Begin()
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Upgrade", "websocket")
	w := httptest.NewRecorder()
	d.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
	require.Empty(t, w.Header().Get("Connection"))
}

func TestShutdownGivesNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d drain.Drain
		start := time.Now()
		require.NoError(t, d.Shutdown(t.Context(), new(http.Server), 5*time.Second))
		require.True(t, d.Draining())
		require.Equal(t, 5*time.Second, time.Since(start))
	})
	synctest.Test(t, func(t *testing.T) {
		var d drain.Drain
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := d.Shutdown(ctx, new(http.Server), time.Hour)
		require.True(t, err == nil || errors.Is(err, context.DeadlineExceeded))
		require.Equal(t, time.Second, time.Since(start), "the context ends the notice")
	})
}
