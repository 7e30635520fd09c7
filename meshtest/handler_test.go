package meshtest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/rw"
)

type handlerLayer = func(http.Handler) http.Handler

// handlerFunc makes a layer of what it does with a request.
func handlerFunc(serve func(next http.Handler, w http.ResponseWriter, r *http.Request)) handlerLayer {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(next, w, r) })
	}
}

func TestHandlerLayersThatKeepTheContractPass(t *testing.T) {
	for name, layer := range map[string]handlerLayer{
		"none": func(next http.Handler) http.Handler { return next },
		"one that wraps": handlerFunc(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			var state rw.Writer
			next.ServeHTTP(state.Wrap(w, nil), r)
			state.Finish()
		}),
		"one that refuses": handlerFunc(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}),
	} {
		t.Run(name, func(t *testing.T) { TestHandler(t, layer) })
	}
}

// Wrappers as they are often written.
type (
	statusOnly struct{ http.ResponseWriter }
	everything struct {
		http.ResponseWriter
	}
)

func (w everything) Unwrap() http.ResponseWriter { return w.ResponseWriter }
func (w everything) Flush()                      { http.NewResponseController(w.ResponseWriter).Flush() }
func (w everything) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// earlyWriter takes early hints for the answer.
type earlyWriter struct {
	http.ResponseWriter
	once bool
}

func (w *earlyWriter) WriteHeader(status int) {
	if !w.once {
		w.once = true
		w.ResponseWriter.WriteHeader(status)
	}
}

// ownHeader copies its header once, so that trailers are left behind.
type ownHeader struct {
	http.ResponseWriter
	header http.Header
}

func (w *ownHeader) Header() http.Header { return w.header }
func (w *ownHeader) Flush()              { w.ResponseWriter.(http.Flusher).Flush() }
func (w *ownHeader) Write(p []byte) (int, error) {
	maps.Copy(w.ResponseWriter.Header(), w.header)
	w.header = maps.Clone(w.header)
	return w.ResponseWriter.Write(p)
}

type bufferReader struct{ http.ResponseWriter }

func (w bufferReader) ReadFrom(src io.Reader) (int64, error) {
	return io.Copy(w.ResponseWriter, io.LimitReader(src, 32<<10))
}

// brokenHandlers lists mistakes that people make in layers around handlers, and
// the cases that find them.
var brokenHandlers = map[string]struct {
	layer handlerLayer
	cases []string
}{
	"hides all abilities": {
		handlerFunc(func(next http.Handler, w http.ResponseWriter, r *http.Request) { next.ServeHTTP(statusOnly{w}, r) }),
		[]string{
			"the ResponseWriter has exactly the abilities of the one below",
			"the ResponseWriter of a server keeps its abilities",
			"a handler may answer while it reads",
			"a hijacked connection is the handler's",
		},
	},
	"claims abilities that are not there": {
		handlerFunc(func(next http.Handler, w http.ResponseWriter, r *http.Request) { next.ServeHTTP(everything{w}, r) }),
		[]string{
			"the ResponseWriter has exactly the abilities of the one below",
			"the ResponseWriter of a server keeps its abilities",
		},
	},
	"takes early hints for the answer": {
		handlerFunc(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&earlyWriter{ResponseWriter: w}, r)
		}),
		[]string{"early hints reach the caller"},
	},
	"buffers the answer": {
		handlerFunc(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			rec := httptest.NewRecorder()
			next.ServeHTTP(rec, r)
			for name, values := range rec.Header() {
				w.Header()[name] = values
			}
			w.WriteHeader(rec.Code)
			w.Write(rec.Body.Bytes())
		}),
		[]string{
			"events reach the caller when they are flushed",
			"early hints reach the caller",
		},
	},
	"keeps a header map of its own": {
		handlerFunc(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&ownHeader{ResponseWriter: w, header: make(http.Header)}, r)
		}),
		[]string{"trailers reach the caller, announced or not"},
	},
	"reads no more than a buffer": {
		handlerFunc(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(bufferReader{w}, r)
		}),
		[]string{"what is read from a reader arrives whole"},
	},
	"adds to the answer": {
		handlerFunc(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			io.WriteString(w, "\n")
		}),
		[]string{"answers are as without the layer"},
	},
	"changes the request": {
		handlerFunc(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			r.Header.Set("X-Added", "1")
			next.ServeHTTP(w, r)
		}),
		[]string{"the request is not changed"},
	},
	"reads the body ahead": {
		handlerFunc(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			data, _ := io.ReadAll(r.Body)
			r = r.WithContext(r.Context())
			r.Body = io.NopCloser(bytes.NewReader(data))
			next.ServeHTTP(w, r)
		}),
		[]string{
			"the caller's body streams to the handler",
			"a handler may answer while it reads",
			"a body is not asked for before the handler reads it",
		},
	},
	"makes an answer of every panic": {
		handlerFunc(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			defer func() {
				if p := recover(); p != nil {
					fmt.Fprint(w, p)
				}
			}()
			next.ServeHTTP(w, r)
		}),
		[]string{"a panic passes, and an aborted answer is cut"},
	},
	"starts from a context of its own": {
		handlerFunc(func(next http.Handler, w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.Background()))
		}),
		[]string{"values of the server's context reach the handler", "the handler learns that the caller has gone"},
	},
}

func TestMistakesInHandlerLayersAreFound(t *testing.T) {
	for name, b := range brokenHandlers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := map[string][]string{}
			for _, c := range handlerContract {
				for _, over := range c.over {
					k := &handlerCheck{violations: violations{patience: hasty}, layer: b.layer, over: over}
					k.run(hangs, func() { c.check(k) })
					k.close()
					found[c.name] = append(found[c.name], k.found()...)
				}
			}
			for _, want := range b.cases {
				require.NotEmpty(t, found[want], want)
			}
		})
	}
}

func TestEveryHandlerCaseFindsSomething(t *testing.T) {
	var used []string
	for _, b := range brokenHandlers {
		used = append(used, b.cases...)
	}
	for _, c := range handlerContract {
		require.True(t, slices.Contains(used, c.name), "no mistake in the table is found by %q", c.name)
	}
}
