package fault

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/meshtest"
)

func TestTheHandlerKeepsTheContract(t *testing.T) {
	for name, c := range configs {
		if name == "spread" || name == "half aborted" {
			continue // no other path through the handler than delay and abort
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			meshtest.TestHandler(t, must(t, c).Handler)
		})
	}
}

func write(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
}

func TestAHandlerAnswersAsASidecarWould(t *testing.T) {
	i := must(t, Config{Abort: Abort{Share: mesh.Always, Status: 503}})
	rec := httptest.NewRecorder()
	f, r := flow.EnsureServed(httptest.NewRequest("GET", "/", nil))
	i.Handler(write("never")).ServeHTTP(rec, r)
	require.Equal(t, 503, rec.Code)
	require.Equal(t, "fault filter abort", rec.Body.String())
	require.Equal(t, mesh.FaultInjected, f.Tell().Flags)
	require.Equal(t, Stats{Aborts: 1}, i.Stats())

	rec = httptest.NewRecorder()
	r.Header.Set("Content-Type", "application/grpc")
	require.NoError(t, i.Update(Config{Abort: Abort{Share: mesh.Always, GRPC: 8}}))
	i.Handler(write("never")).ServeHTTP(rec, r)
	require.Equal(t, 200, rec.Code)
	require.Equal(t, "8", rec.Header().Get("Grpc-Status"))
}

func TestAHandlerWaitsAsLongAsItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := must(t, Config{Delay: Delay{Share: mesh.Always, For: time.Minute}})
		start := time.Now()
		rec := httptest.NewRecorder()
		i.Handler(write("ok")).ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
		require.Equal(t, time.Minute, time.Since(start))
		require.Equal(t, "ok", rec.Body.String())
	})
}

func TestAServersResetBreaksTheConnection(t *testing.T) {
	srv := httptest.NewServer(must(t, Config{Abort: Abort{Share: mesh.Always, Reset: true}}).Handler(write("never")))
	defer srv.Close()
	_, err := srv.Client().Post(srv.URL, "text/plain", strings.NewReader("x"))
	require.True(t, errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF), "%v", err)

	h2 := httptest.NewUnstartedServer(must(t, Config{Abort: Abort{Share: mesh.Always, Reset: true}}).Handler(write("never")))
	h2.EnableHTTP2 = true
	h2.StartTLS()
	defer h2.Close()
	_, err = h2.Client().Get(h2.URL)
	require.Equal(t, mesh.RemoteReset, mesh.FlagOf(err), "%v", err)
}

func TestAServersAnswerBreaksOff(t *testing.T) {
	for name, handler := range map[string]http.Handler{
		"of known length": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "6")
			io.WriteString(w, "abcdef")
		}),
		"in chunks": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for _, s := range []string{"ab", "cd", "ef"} {
				io.WriteString(w, s)
				http.NewResponseController(w).Flush()
			}
		}),
		"read from a reader": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.Copy(w, io.LimitReader(strings.NewReader("abcdef"), 6))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(must(t, Config{Cut: Cut{Share: mesh.Always, After: 3}}).Handler(handler))
			defer srv.Close()
			res, err := srv.Client().Get(srv.URL)
			require.NoError(t, err)
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Equal(t, "abc", string(got))
		})
	}
}

// slowWriter notes when the bytes of an answer went out.
type slowWriter struct {
	header http.Header
	start  time.Time
	last   time.Duration
	n      int
}

func (w *slowWriter) Header() http.Header { return w.header }
func (w *slowWriter) WriteHeader(int)     {}
func (w *slowWriter) Write(p []byte) (int, error) {
	w.last = time.Since(w.start)
	w.n += len(p)
	return len(p), nil
}

func TestAServersAnswerDrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := must(t, Config{Drip: Drip{Share: mesh.Always, Rate: 100}})
		w := &slowWriter{header: http.Header{}, start: time.Now()}
		i.Handler(write(strings.Repeat("x", 200))).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
		require.Equal(t, 200, w.n)
		require.InDelta(t, 2-1.0/16, w.last.Seconds(), 0.1)
	})
}

func TestAHandlerThatIsOffCostsNothing(t *testing.T) {
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	h := must(t, configs["hardly ever"]).Handler(next)
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	require.Zero(t, testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }))
}
