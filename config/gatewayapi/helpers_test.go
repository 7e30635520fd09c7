package gatewayapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

// lines are the problems of an error as they are shown.
func lines(err error) (all []string) {
	for p := range mesh.Problems(err) {
		all = append(all, p.Error())
	}
	return all
}

func parse(t testing.TB, documents ...string) *Config {
	c, err := Parse("mesh.yaml", strings.NewReader(strings.Join(documents, "\n---\n")))
	require.NoError(t, err)
	return c
}

// service is a Service with a port 80 and one endpoint, whose host says the name.
func service(name string) string {
	namespace, short, _ := strings.Cut(name, "/")
	meta := "{name: " + short + ", namespace: " + namespace + "}"
	return `
apiVersion: v1
kind: Service
metadata: ` + meta + `
spec: {ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ` + short + `, namespace: ` + namespace + `, labels: {kubernetes.io/service-name: ` + short + `}}
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [` + short + `-0.` + namespace + `]}]
`
}

// edge is a Gateway in the namespace infra that takes all routes.
const edge = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  gatewayClassName: mesh
  listeners:
  - {name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
`

// httpRoute is an HTTPRoute with a spec.
func httpRoute(name, spec string) string {
	namespace, short, _ := strings.Cut(name, "/")
	return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " + short + ", namespace: " + namespace + "}\nspec:\n" + indent(spec)
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.Trim(s, "\n"), "\n", "\n  ") + "\n"
}

// onEdge begins the spec of a route on the Gateway.
const onEdge = "parentRefs: [{name: edge, namespace: infra}]\n"

// A backend is a server behind all endpoints. It tells the name of the endpoint
// that was dialled, and what it got, in its answer's headers.
type backend struct {
	*httptest.Server
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

type dialled struct{}

// startBackend starts a backend; serve may be nil.
func startBackend(t *testing.T, serve http.HandlerFunc) *backend {
	b := &backend{}
	names := make(chan string, 100)
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Endpoint", r.Context().Value(dialled{}).(string))
		w.Header().Set("X-Path", r.RequestURI)
		w.Header().Set("X-Host", r.Host)
		if serve != nil {
			serve(w, r)
		}
	}))
	b.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, dialled{}, <-names)
	}
	b.Start()
	t.Cleanup(b.Close)
	b.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, b.Listener.Addr().String())
		if err == nil {
			host, _, _ := net.SplitHostPort(address)
			name, _, _ := strings.Cut(host, "-0.")
			names <- name
		}
		return c, err
	}
	return b
}

// gateway serves port 80 of the only Gateway.
func (b *backend) gateway(t *testing.T, c *Config) (*Gateway, http.Handler) {
	g, err := NewGateway(c, GatewayConfig{Dial: b.dial})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	return g, g.Handler(80)
}

// ask sends a request to a handler and returns the answer.
func ask(h http.Handler, target string, header ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, target, http.NoBody)
	return askWith(h, r, header...)
}

func askWith(h http.Handler, r *http.Request, header ...string) *http.Response {
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	res := w.Result()
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res
}

// who is the endpoint that answered, or the status.
func who(res *http.Response) string {
	if res.StatusCode != http.StatusOK {
		return res.Status
	}
	return res.Header.Get("X-Endpoint")
}
