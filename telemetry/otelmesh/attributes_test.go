package otelmesh_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/telemetry/otelmesh"
	"github.com/sidecarless/mesh/timeout"
	"github.com/sidecarless/mesh/upstream"
)

func TestWhatSpansOfClientsTell(t *testing.T) {
	s := newSpans(t, func(c *otelmesh.Config) {
		c.Attributes = []attribute.KeyValue{attribute.String("istio.canonical_service", "productpage")}
	})
	up, err := upstream.New(upstream.Config{
		Name: "outbound|9080||reviews", Endpoints: []lb.Endpoint{{Addr: "10.0.0.7:9080"}},
		Attempt: s.Attempt, Transport: meshtest.NewUpstream(),
	})
	require.NoError(t, err)
	defer up.Close()
	r := get(t, "http://user:secret@reviews:9080/a%2Fb?sig=xyz&q=1")
	r.Method = "PROPFIND"
	r.Header.Set("x-request-id", "id")
	_, err = send(t, s.Transport(up), r)
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"http.request.method":          "_OTHER",
		"http.request.method_original": "PROPFIND",
		"server.address":               "reviews",
		"server.port":                  "9080",
		"url.full":                     "http://reviews:9080/a%2Fb?sig=REDACTED&q=1",
		"network.peer.address":         "10.0.0.7",
		"network.peer.port":            "9080",
		"network.protocol.version":     "1.1",
		"http.response.status_code":    "200",
		"mesh.attempt":                 "1",
		"mesh.endpoint":                "10.0.0.7:9080",
		"istio.canonical_service":      "productpage",
	}, attributes(s.Ended()[0]))
	require.Equal(t, "HTTP", s.Ended()[0].Name())
	require.Equal(t, map[string]string{
		"http.request.method":          "_OTHER",
		"http.request.method_original": "PROPFIND",
		"server.address":               "reviews",
		"server.port":                  "9080",
		"url.full":                     "http://reviews:9080/a%2Fb?sig=REDACTED&q=1",
		"http.response.status_code":    "200",
		"mesh.attempts":                "1",
		"mesh.cluster":                 "outbound|9080||reviews",
		"mesh.endpoint":                "10.0.0.7:9080",
		"mesh.request_id":              "id",
		"istio.canonical_service":      "productpage",
	}, attributes(s.Ended()[1]))
}

func TestWhatSpansOfServersTell(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET svc.example/books/{id}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "book") })
	s := newSpans(t)
	r := httptest.NewRequest(http.MethodGet, "/books/7?Signature=x", nil)
	r.Host, r.RemoteAddr, r.TLS = "svc.example:8443", "[2001:db8::1]:4711", new(tls.ConnectionState)
	for k, v := range map[string]string{"user-agent": "curl/8", "x-request-id": "id", "x-forwarded-for": "192.0.2.1, 10.0.0.1"} {
		r.Header.Set(k, v)
	}
	s.Handler(mux).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, map[string]string{
		"http.request.method":       "GET",
		"url.scheme":                "https",
		"url.path":                  "/books/7",
		"url.query":                 "Signature=REDACTED",
		"http.route":                "/books/{id}",
		"http.response.status_code": "200",
		"server.address":            "svc.example",
		"server.port":               "8443",
		"client.address":            "192.0.2.1",
		"network.peer.address":      "2001:db8::1",
		"network.peer.port":         "4711",
		"network.protocol.version":  "1.1",
		"user_agent.original":       "curl/8",
		"mesh.request_id":           "id",
	}, attributes(s.one(t)))
	require.Equal(t, "GET /books/{id}", s.one(t).Name())
	require.Equal(t, trace.SpanKindServer, s.one(t).SpanKind())
}

// Attributes on which samplers decide must be there when a span begins.
func TestSamplersSeeWhatTheConventionsPromise(t *testing.T) {
	var seen []sdktrace.SamplingParameters
	s := newSpans(t, func(c *otelmesh.Config) {
		c.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler(func(p sdktrace.SamplingParameters) { seen = append(seen, p) })))
	})
	_, err := send(t, s.Attempt(meshtest.NewUpstream()), get(t, "https://svc/a"))
	require.NoError(t, err)
	s.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/b", nil))
	require.Subset(t, seen[0].Attributes, []attribute.KeyValue{
		attribute.String("http.request.method", "GET"), attribute.String("server.address", "svc"),
		attribute.Int("server.port", 443), attribute.String("url.full", "https://svc/a"),
	})
	require.Subset(t, seen[1].Attributes, []attribute.KeyValue{
		attribute.String("http.request.method", "GET"), attribute.String("url.path", "/b"), attribute.String("url.scheme", "http"),
	})
}

type sampler func(sdktrace.SamplingParameters)

func (f sampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	f(p)
	return sdktrace.SamplingResult{Decision: sdktrace.Drop}
}

func (sampler) Description() string { return "looks" }

// Layers in between may hand on copies of the request; the mux writes its pattern
// into the one that it gets.
func TestTheRouteIsFoundBehindCopies(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/books/{id}", func(http.ResponseWriter, *http.Request) {})
	s := newSpans(t)
	inner := otelmesh.Routed(mux)
	s.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r.WithContext(r.Context()))
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/books/7", nil))
	require.Equal(t, `server "GET /books/{id}" 200`, line(s.one(t)))
}

func TestHowAServedRequestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"nothing written":         {func(http.ResponseWriter, *http.Request) {}, `server "GET" 200`},
		"a mistake of the caller": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, `server "GET" 404`},
		"a failure":               {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, `server "GET" 500 error=500 !`},
		"a refusal": {func(w http.ResponseWriter, r *http.Request) {
			mesh.WriteError(w, r, &mesh.Error{Flag: mesh.Overflow, Status: 503, Details: "overload"})
		}, `server "GET" 503 error=overload flags=UO !`},
		"a refusal of access": {func(w http.ResponseWriter, r *http.Request) {
			mesh.WriteError(w, r, &mesh.Error{Flag: mesh.Denied, Status: 403, Details: "rbac_access_denied_matched_policy[none]"})
		}, `server "GET" 403`},
		"a panic": {func(w http.ResponseWriter, r *http.Request) { panic("oh") }, `server "GET" error=panic !`},
		"a panic within the answer": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "begun")
			panic("oh")
		}, `server "GET" 200 error=panic !`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpans(t)
			func() {
				defer func() {
					if p := recover(); p != nil {
						require.Equal(t, "oh", p)
					}
				}()
				s.Handler(c.handler).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			}()
			require.Equal(t, c.want, line(s.one(t)))
		})
	}
}

func TestACallerThatLeavesIsAnErrorOfTheServersSpan(t *testing.T) {
	s := newSpans(t)
	begun, left := make(chan struct{}), make(chan struct{})
	url, client := serve(t, s.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		close(left)
	})))
	r := get(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	_, err := send(t, client, r.WithContext(ctx))
	require.Error(t, err)
	<-left
	require.Eventually(t, func() bool { return len(s.Ended()) == 1 }, eventually, pollEvery)
	require.Equal(t, `server "GET" error=downstream_remote_disconnect flags=DC !`, line(s.one(t)))
}

// A bound inside ends with the body, and that is not the end of the caller.
func TestABodyThatEndsUnderABound(t *testing.T) {
	bound, err := timeout.New(timeout.Config{Total: time.Minute})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		read func(io.Reader) error
		want string
	}{
		"closed by its reader": {func(io.Reader) error { return nil }, `internal "mesh" 200 attempts=0`},
		"broken off":           {func(r io.Reader) error { _, err := io.ReadAll(r); return err }, `internal "mesh" 200 error=upstream_reset_before_response_started{connection_termination} attempts=0 flags=UC !`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpans(t)
			res, err := mesh.Chain(s.Transport, bound.Transport)(roundTripper(func(r *http.Request) (*http.Response, error) {
				body := io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
				return &http.Response{StatusCode: http.StatusOK, Body: body, Request: r}, nil
			})).RoundTrip(get(t, "http://svc/"))
			require.NoError(t, err)
			c.read(res.Body)
			require.NoError(t, res.Body.Close())
			require.Equal(t, c.want, line(s.one(t)))
		})
	}
}

func TestAConnectionThatIsTakenOver(t *testing.T) {
	s := newSpans(t)
	url, client := serve(t, s.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n")
		conn.Close()
	})))
	r := get(t, url)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "chat")
	res, err := s.Attempt(client).RoundTrip(r)
	require.NoError(t, err)
	_, writes := res.Body.(io.Writer)
	require.True(t, writes, "the body of an upgraded connection takes writes")
	require.NoError(t, res.Body.Close())
	require.Eventually(t, func() bool { return len(s.Ended()) == 2 }, eventually, pollEvery)
	require.Equal(t, "client \"GET\" 101\n  server \"GET\" 101\n", s.tree())
}

func FuzzQueriesKeepNoSecret(f *testing.F) {
	f.Add("a", "b")
	f.Add("sig=x&", "&Signature=y")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "fa4e0fd1"
		s := newSpans(t)
		r := get(t, "http://svc/")
		r.URL.RawQuery = before + "&sig=" + secret + "&" + after
		_, err := send(t, s.Attempt(meshtest.NewUpstream()), r)
		require.NoError(t, err)
		require.NotContains(t, attributes(s.one(t))["url.full"], secret)
	})
}

func TestTheContracts(t *testing.T) {
	s := newSpans(t)
	meshtest.TestTransport(t, s.Transport)
	meshtest.TestTransport(t, s.Attempt)
	meshtest.TestHandler(t, s.Handler)
}

func TestANilTelemetryIsOff(t *testing.T) {
	var off *otelmesh.Telemetry
	server := meshtest.NewUpstream()
	require.Same(t, server, off.Transport(server))
	require.Same(t, server, off.Attempt(server))
	mux := http.NewServeMux()
	require.Same(t, mux, off.Handler(mux))
}

func TestAllProblemsOfAConfigAreTold(t *testing.T) {
	made, err := otelmesh.New(otelmesh.Config{Inject: 64, Propagator: nil, Forward: []string{"", "a b", "good"}})
	require.Nil(t, made)
	require.EqualError(t, err, `otelmesh.Inject: must be made of W3C, B3 and B3Multi (got 64)
otelmesh.Forward: is no name of a header (got "")
otelmesh.Forward: is no name of a header (got "a b")`)
}
