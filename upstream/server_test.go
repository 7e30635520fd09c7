package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/breaker"
)

// A kind of server for tests, by protocol.
type kind struct {
	name string
	conf Connections
	tls  bool
}

var kinds = []kind{
	{name: "HTTP/1.1", conf: Connections{}},
	{name: "HTTP/2 by prior knowledge", conf: Connections{Protocol: HTTP2}},
	{name: "HTTP/1.1 over TLS", conf: Connections{Protocol: HTTP1}, tls: true},
	{name: "HTTP/2 over TLS", conf: Connections{}, tls: true},
}

func (k kind) http2() bool { return k.conf.Protocol == HTTP2 || k.tls && k.conf.Protocol == Negotiated }

// A testServer counts the connections it has got.
type testServer struct {
	*httptest.Server
	opened atomic.Int64

	mu   sync.Mutex
	open map[net.Conn]http.ConnState
}

func (k kind) serve(t testing.TB, h http.HandlerFunc) *testServer {
	t.Helper()
	s := &testServer{open: make(map[net.Conn]http.ConnState)}
	s.Server = httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetHTTP2(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.EnableHTTP2 = true
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch state {
		case http.StateNew:
			s.opened.Add(1)
			s.open[c] = state
		case http.StateClosed, http.StateHijacked:
			delete(s.open, c)
		}
	}
	if k.tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *testServer) addr() string { return s.Listener.Addr().String() }

// roots is a TLS configuration that trusts the server, whose certificate is for
// example.com.
func (s *testServer) roots() *tls.Config {
	if s.Certificate() == nil {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

// pool makes connections to s.
func (k kind) pool(t testing.TB, s *testServer, limits breaker.LimitsConfig, change ...func(*Connections)) *pool {
	t.Helper()
	conf := k.conf
	for _, f := range change {
		f(&conf)
	}
	return testPool(t, conf, s.roots(), limits, nil)
}

func testPool(t testing.TB, conf Connections, roots *tls.Config, limits breaker.LimitsConfig, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *pool {
	t.Helper()
	l, err := breaker.NewLimits(limits)
	require.NoError(t, err)
	p := newPool(conf, newDialer(conf, roots, dial), l)
	t.Cleanup(func() {
		p.Close()
		s := l.Stats()
		require.Zero(t, s.Pending, "places to wait in not given back")
	})
	return p
}

func request(t testing.TB, method, addr string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/", body)
	require.NoError(t, err)
	r.Host = "example.com"
	return r
}

// fetch sends a GET and reads the answer to its end.
func fetch(t testing.TB, rt http.RoundTripper, addr string) (string, error) {
	t.Helper()
	res, err := rt.RoundTrip(request(t, http.MethodGet, addr, nil))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}
