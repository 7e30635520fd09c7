package timeout

import (
	"context"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

// A change of the protocol is bounded, and what comes after it is not.
func TestAHandshakeIsBounded(t *testing.T) {
	const total = time.Second
	upgrade := func(t *testing.T) *http.Request {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://chat/", nil)
		require.NoError(t, err)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}
		return r
	}
	conversation := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, out, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		out.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		out.Flush()
		time.Sleep(10 * total)
		out.WriteString("late")
		out.Flush()
	})
	synctest.Test(t, func(t *testing.T) {
		rt := bounded(t, Config{Total: total}).Transport(pipes(t, conversation))
		res, err := rt.RoundTrip(upgrade(t))
		require.NoError(t, err)
		_, bound := res.Request.Context().Deadline()
		require.False(t, bound)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, "late", string(text))
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		rt := bounded(t, Config{Total: total}).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			deadline, ok := r.Context().Deadline()
			require.True(t, ok)
			require.Equal(t, total, time.Until(deadline))
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		}))
		_, err := rt.RoundTrip(upgrade(t))
		require.Equal(t, mesh.UpstreamTimeout, mesh.FlagOf(err))
		require.Equal(t, total, time.Since(start))
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		rt := bounded(t, Config{Total: total}).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			body, end := io.Pipe()
			context.AfterFunc(r.Context(), func() { end.CloseWithError(context.Cause(r.Context())) })
			return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
		}))
		res, err := rt.RoundTrip(upgrade(t))
		require.NoError(t, err)
		_, err = io.ReadAll(res.Body)
		require.Equal(t, mesh.UpstreamTimeout, mesh.FlagOf(err), "an answer that changes nothing is bounded to its end")
		require.Equal(t, total, time.Since(start))
		require.NoError(t, res.Body.Close())
	})
}
