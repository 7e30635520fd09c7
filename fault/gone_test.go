package fault

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

// Whoever leaves during a fault holds nothing up, and the application is not asked.
func TestACallerOfAHandlerWhoLeavesEndsTheFault(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		served bool
	}{
		"during a delay": {Config{Delay: Delay{Share: mesh.Always, For: time.Hour}}, false},
		"during a drip":  {Config{Drip: Drip{Share: mesh.Always, Rate: 1024}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := must(t, c.config)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				served := false
				var failed error
				h := i.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					served = true
					_, failed = w.Write(make([]byte, 1<<20))
				}))
				start := time.Now()
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
				require.Equal(t, time.Second, time.Since(start))
				require.Equal(t, c.served, served)
				if c.served {
					require.ErrorIs(t, failed, context.DeadlineExceeded)
				}
				require.Zero(t, i.active.Load(), "its place is free again")
			})
		})
	}
}

// A reset of a server with TLS is one of the connection below.
func TestAServersResetBreaksTheConnectionBelowTLS(t *testing.T) {
	i := must(t, Config{Abort: Abort{Share: mesh.Always, Reset: true}})
	s := httptest.NewTLSServer(i.Handler(write("never")))
	defer s.Close()
	_, err := s.Client().Get(s.URL)
	require.Error(t, err)
	require.NotEqual(t, mesh.Answered, mesh.StageOf(err))
}

// A connection that fails while an answer drips fails the write.
func TestADrippingAnswerThatCannotBeSentFails(t *testing.T) {
	broken := errors.New("broken")
	i := must(t, Config{Drip: Drip{Share: mesh.Always, Rate: 1 << 20}})
	var failed error
	h := i.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, failed = io.WriteString(w, "text") }))
	h.ServeHTTP(failingWriter{http.Header{}, broken}, get(t))
	require.ErrorIs(t, failed, broken)
}

type failingWriter struct {
	header http.Header
	err    error
}

func (w failingWriter) Header() http.Header       { return w.header }
func (w failingWriter) WriteHeader(int)           {}
func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
