package limit_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/meshtest"
)

func plenty(t *testing.T) *limit.Limiter {
	return must(t, limit.Config{Rate: 1e6, Burst: 1e6, Key: match.HeaderKey("X-User")})
}

// empty is a limiter that has nothing left.
func empty(t *testing.T, c limit.Config) *limit.Limiter {
	c.Rate, c.Burst = 0.25, 1
	l := must(t, c)
	l.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	return l
}

func TestTheTransportKeepsTheContract(t *testing.T) {
	t.Run("passing", func(t *testing.T) { meshtest.TestTransport(t, plenty(t).Transport) })
	t.Run("refusing", func(t *testing.T) { meshtest.TestTransport(t, empty(t, limit.Config{}).Transport) })
}

func TestTheHandlerKeepsTheContract(t *testing.T) {
	t.Run("passing", func(t *testing.T) { meshtest.TestHandler(t, plenty(t).Handler) })
	t.Run("refusing", func(t *testing.T) { meshtest.TestHandler(t, empty(t, limit.Config{}).Handler) })
}

func TestARefusalTellsWhyAndWhenToComeBack(t *testing.T) {
	l := empty(t, limit.Config{})
	closed := false
	r, err := http.NewRequest("POST", "http://reviews/", closer{strings.NewReader("x"), &closed})
	require.NoError(t, err)
	res, err := l.Transport(meshtest.NewUpstream()).RoundTrip(r)
	require.Nil(t, res)
	require.True(t, closed)
	var e *mesh.Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, mesh.Error{
		Op: "limit", Flag: mesh.RateLimited, Status: 429, Stage: mesh.NotSent, Details: "local_rate_limited",
		Header: http.Header{"Retry-After": {"4"}},
	}, *e)
	require.EqualError(t, err, "limit: RL: local_rate_limited")
}

type closer struct {
	io.Reader
	closed *bool
}

func (c closer) Close() error {
	*c.closed = true
	return nil
}

func TestHeadersTellWhatIsLeft(t *testing.T) {
	h := must(t, limit.Config{Rate: 0.1, Burst: 2, Headers: true}).Handler(http.NotFoundHandler())
	for _, want := range []struct {
		status                  int
		remaining, reset, retry string
	}{{404, "1", "0", ""}, {404, "0", "10", ""}, {429, "0", "10", "10"}} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		require.Equal(t, want.status, w.Code)
		require.Equal(t, "2", w.Header().Get("x-ratelimit-limit"))
		require.Equal(t, want.remaining, w.Header().Get("x-ratelimit-remaining"))
		require.Equal(t, want.reset, w.Header().Get("x-ratelimit-reset"))
		require.Equal(t, want.retry, w.Header().Get("Retry-After"))
	}
}

func TestWithoutHeadersAnswersSayNothing(t *testing.T) {
	h := must(t, limit.Config{Rate: 1}).Handler(http.NotFoundHandler())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.NotContains(t, w.Header(), "X-Ratelimit-Limit")
}

func TestRefusalsCanHaveAnotherStatusAndFurtherHeaders(t *testing.T) {
	more := http.Header{"x-local-rate-limit": {"true"}, "Retry-After": {"Sat, 01 Jan 2000 00:00:00 GMT"}}
	h := empty(t, limit.Config{Status: 503, Header: more}).Handler(http.NotFoundHandler())
	for range 2 { // what is configured stays as it is
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		require.Equal(t, 503, w.Code)
		require.Equal(t, "local_rate_limited", w.Body.String())
		require.Equal(t, []string{"true"}, w.Header()["X-Local-Rate-Limit"])
		require.Equal(t, []string{"4", "Sat, 01 Jan 2000 00:00:00 GMT"}, w.Header()["Retry-After"])
	}
}

func TestGRPCCallersGetAStatusOfGRPC(t *testing.T) {
	for name, c := range map[string]struct {
		exhausted bool
		want      string
	}{"as Envoy by default": {false, "14"}, "as Envoy with rate_limited_as_resource_exhausted": {true, "8"}} {
		t.Run(name, func(t *testing.T) {
			h := empty(t, limit.Config{ResourceExhausted: c.exhausted}).Handler(http.NotFoundHandler())
			r := httptest.NewRequest("POST", "/", nil)
			r.Header.Set("Content-Type", "application/grpc")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, 200, w.Code)
			require.Equal(t, c.want, w.Header().Get("grpc-status"))
			require.Equal(t, "local_rate_limited", w.Header().Get("grpc-message"))

			w = httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("POST", "/", nil))
			require.Equal(t, 429, w.Code)
			require.Empty(t, w.Header().Get("grpc-status"))
		})
	}
}

func TestExemptRequestsTakeNoToken(t *testing.T) {
	l := must(t, limit.Config{Rate: 1e-9, Burst: 1, Headers: true, Exempt: []match.Request{
		{Path: match.Exact("/healthz")}, {Headers: []match.Field{{Name: "X-Load-Test", Value: match.Exact("1")}}},
	}})
	h := l.Handler(http.NotFoundHandler())
	serve := func(path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		for _, name := range header {
			r.Header.Set(name, "1")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for range 3 {
		require.Equal(t, 404, serve("/healthz").Code)
		require.Equal(t, 404, serve("/", "X-Load-Test").Code)
	}
	require.Empty(t, serve("/healthz").Header().Get("x-ratelimit-limit"))
	require.Equal(t, 404, serve("/").Code)
	require.Equal(t, 429, serve("/").Code)
	require.Equal(t, limit.Stats{Allowed: 1, Limited: 1, Exempted: 7}, l.Stats())
}

func TestADryRunCountsAndRefusesNothing(t *testing.T) {
	l := must(t, limit.Config{Rate: 1e-9, Burst: 1, DryRun: true})
	h := l.Handler(http.NotFoundHandler())
	for range 3 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		require.Equal(t, 404, w.Code)
	}
	res, err := l.Transport(meshtest.NewUpstream(meshtest.Reply{Status: 200})).RoundTrip(httptest.NewRequest("GET", "http://a/", nil))
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, limit.Stats{Allowed: 1, Limited: 3}, l.Stats())
}

func TestRequestsWithoutTheKeyShareABucket(t *testing.T) {
	h := must(t, limit.Config{Rate: 1e-9, Burst: 1, Key: match.HeaderKey("X-User")}).Handler(http.NotFoundHandler())
	for _, c := range []struct {
		user string
		want int
	}{{"anna", 404}, {"", 404}, {"ben", 404}, {"", 429}, {"anna", 429}} {
		r := httptest.NewRequest("GET", "/", nil)
		if c.user != "" {
			r.Header.Set("X-User", c.user)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, c.want, w.Code, c.user)
	}
}

func TestTheAddressOfACallerIsAKey(t *testing.T) {
	h := must(t, limit.Config{Rate: 1e-9, Burst: 1, Key: match.PeerKey()}).Handler(http.NotFoundHandler())
	for _, c := range []struct {
		addr string
		want int
	}{{"192.0.2.1:1", 404}, {"192.0.2.1:2", 429}, {"192.0.2.2:1", 404}, {"[2001:db8::1]:1", 404}, {"[2001:db8::1]:2", 429}} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.addr
		r.Header.Set("X-Forwarded-For", "198.51.100.1") // which anybody can write
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, c.want, w.Code, c.addr)
	}
}

func TestTheIdentityOfACallerIsAKey(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	_, ok := limit.PerIdentity(r)
	require.False(t, ok)
	id, err := url.Parse("spiffe://cluster.local/ns/default/sa/web")
	require.NoError(t, err)
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{URIs: []*url.URL{id}}}}}
	key, ok := limit.PerIdentity(r)
	require.True(t, ok)
	require.Equal(t, "cluster.local/ns/default/sa/web", key)
}

func TestThePathTemplateThatFitsIsAKey(t *testing.T) {
	key, err := limit.PerPath("/users/{*}/orders", "/users/{**}")
	require.NoError(t, err)
	for path, want := range map[string]string{
		"/users/1/orders": "/users/{*}/orders", "/users/2/orders": "/users/{*}/orders",
		"/users/2/orders/7": "/users/{**}", "/": "",
	} {
		got, ok := key(httptest.NewRequestWithContext(context.Background(), "GET", path, nil))
		require.Equal(t, want, got, path)
		require.Equal(t, want != "", ok, path)
	}
	_, err = limit.PerPath("/a", "users")
	require.ErrorContains(t, err, "limit[1]")
	_, err = limit.PerPath()
	require.ErrorContains(t, err, "templates")
}
