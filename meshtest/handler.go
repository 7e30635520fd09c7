package meshtest

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestHandler holds a layer around handlers against what handlers and their
// callers rely on: the ResponseWriter has exactly the abilities that it had
// before (to flush, hijack, push, read from files, set deadlines, go full duplex),
// and answers, early hints, trailers, streams, upgrades, aborts and the end of
// the caller go through as they come. Most cases run over real servers, with
// HTTP/1.1 and with HTTP/2.
//
// The layer may refuse requests and answer some itself: what is said about the
// handler is checked where it is reached. Each case is a subtest.
func TestHandler(t *testing.T, layer func(http.Handler) http.Handler) {
	t.Helper()
	for _, c := range handlerContract {
		t.Run(c.name, func(t *testing.T) {
			for _, over := range c.over {
				t.Run(over, func(t *testing.T) {
					k := &handlerCheck{violations: violations{patience: patience}, layer: layer, over: over}
					defer k.close()
					k.run(hangs, func() { c.check(k) })
					k.report(t)
				})
			}
		})
	}
}

// The ways in which a case is run.
const (
	direct = "without a server"
	http1  = "HTTP/1.1"
	http2  = "HTTP/2"
)

// A handlerCheck is one case at work.
type handlerCheck struct {
	violations
	layer func(http.Handler) http.Handler
	over  string
	sites []*site
}

// A site is a server with the layer around a handler of the test.
type site struct {
	*httptest.Server
	reached  atomic.Bool  // whether the layer asked the handler
	panicked atomic.Value // what came up through the layer, as a recovered

	once  sync.Once
	ended chan struct{} // closed when the layer has returned
}

type recovered struct{ value any }

// serve starts a server.
func (k *handlerCheck) serve(layer func(http.Handler) http.Handler, h http.HandlerFunc) *site {
	s := &site{ended: make(chan struct{})}
	layered := layer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.reached.Store(true)
		h(w, r)
	}))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.once.Do(func() { close(s.ended) })
		defer func() {
			if p := recover(); p != nil {
				s.panicked.Store(recovered{p})
				panic(http.ErrAbortHandler)
			}
		}()
		layered.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.Protocols = new(http.Protocols)
	if k.over == http2 {
		s.EnableHTTP2 = true
		s.Config.Protocols.SetHTTP2(true)
		s.TLS = &tls.Config{NextProtos: []string{"h2"}}
		s.StartTLS()
	} else {
		s.Config.Protocols.SetHTTP1(true)
		s.Start()
	}
	k.mu.Lock()
	k.sites = append(k.sites, s)
	k.mu.Unlock()
	return s
}

// with serves a handler behind the layer.
func (k *handlerCheck) with(h http.HandlerFunc) *site { return k.serve(k.layer, h) }

// without serves it alone, for comparison.
func (k *handlerCheck) without(h http.HandlerFunc) *site {
	return k.serve(func(next http.Handler) http.Handler { return next }, h)
}

// awaits waits for a channel to be closed, unless the layer returns before.
func (k *handlerCheck) awaits(done <-chan struct{}, s *site) bool {
	select {
	case <-done:
		return true
	case <-s.ended:
	case <-time.After(k.patience):
	}
	return false
}

func (k *handlerCheck) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.sites {
		s.Close()
	}
}

// ask sends a request and waits for the answer's header; nil if there was none.
func (k *handlerCheck) ask(ctx context.Context, s *site, method string, body io.Reader, header http.Header) *http.Response {
	r, err := http.NewRequestWithContext(ctx, method, s.URL+"/a%2Fb/c?q=1&q=2", body)
	if err != nil {
		panic(err) // the method is a constant of the tests
	}
	for name, values := range header {
		r.Header[name] = values
	}
	res, err := s.Client().Do(r)
	if err != nil {
		return nil
	}
	return res
}

// get is a GET, read to its end.
func (k *handlerCheck) get(s *site) (res *http.Response, body string, err error) {
	if res = k.ask(context.Background(), s, http.MethodGet, nil, nil); res == nil {
		return nil, "", errNoResult
	}
	body, err = finish(res)
	return res, body, err
}
