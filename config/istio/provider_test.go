package istio_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/config/istio"
)

const (
	askDecider = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ask, namespace: shop}
spec: {action: CUSTOM, provider: {name: decider}, rules: [{to: [{operation: {paths: ["/orders*"]}}]}]}
---
`
	deciderService = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: decider, namespace: infra}
spec:
  hosts: [decider.infra.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 8000, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.1.9}]
---
`
)

// meshWith is a MeshConfig with one provider.
func meshWith(provider string) string {
	return "apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\nextensionProviders:\n- name: decider\n  " + provider + "\n---\n"
}

// to is a Dial function that leads to a server, whatever the address.
func to(addr string, dialled *[]string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, asked string) (net.Conn, error) {
		if dialled != nil {
			*dialled = append(*dialled, asked)
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
}

func TestAServiceOfTheMeshDecides(t *testing.T) {
	var asked *http.Request
	var askedBody string
	decider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked, askedBody = r, string(body)
		switch r.Header.Get("Authorization") {
		case "Bearer ann":
			w.Header().Set("X-User", "ann")
			w.Header().Set("X-Seen", "yes")
		case "Bearer down":
			w.WriteHeader(http.StatusBadGateway)
		default:
			w.Header().Set("X-Why", "unknown")
			w.Header().Set("X-Hidden", "1")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, "who are you?")
		}
	}))
	defer decider.Close()
	var dialled []string
	const provider = `envoyExtAuthzHttp:
    service: infra/decider.infra.svc.cluster.local
    port: 8000
    pathPrefix: /check
    statusOnError: "503"
    includeRequestHeadersInCheck: ["x-ctx-*"]
    includeAdditionalHeadersInCheck: {x-by: mesh}
    includeRequestBodyInCheck: {maxRequestBytes: 4, allowPartialMessage: true}
    headersToUpstreamOnAllow: [x-user]
    headersToDownstreamOnAllow: [x-seen]
    headersToDownstreamOnDeny: [x-why]`
	s, err := istio.NewServer(parse(t, meshWith(provider)+deciderService+askDecider), istio.ServerConfig{
		Workload: shop, Dial: to(decider.Listener.Addr().String(), &dialled),
	})
	require.NoError(t, err)
	defer s.Close()
	var served *http.Request
	h := s.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served = r
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	}))
	send := func(path, token string) *httptest.ResponseRecorder {
		asked, served = nil, nil
		r := httptest.NewRequest("POST", path, strings.NewReader("123456"))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("X-Ctx-Trace", "t")
		r.Header.Set("X-User", "root")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	w := send("/orders/../orders/7?x=1", "ann")
	require.Equal(t, "200 123456 yes", fmt.Sprint(w.Code, " ", w.Body, " ", w.Header().Get("X-Seen")))
	require.Equal(t, "/check/orders/7?x=1 example.com 1234 mesh t true", strings.Join([]string{
		asked.RequestURI, asked.Host, askedBody, asked.Header.Get("X-By"), asked.Header.Get("X-Ctx-Trace"), asked.Header.Get("X-Envoy-Auth-Partial-Body"),
	}, " "))
	require.Equal(t, "ann", served.Header.Get("X-User"))
	require.Equal(t, []string{"127.0.1.9:8000"}, dialled, "the endpoint of the service")

	w = send("/orders", "bob")
	require.Equal(t, "401 who are you? unknown ", fmt.Sprint(w.Code, " ", w.Body, " ", w.Header().Get("X-Why"), " ", w.Header().Get("X-Hidden")))
	require.Nil(t, served)
	w = send("/orders", "down")
	require.Equal(t, "503 ", fmt.Sprint(w.Code, " ", w.Body))
	w = send("/", "bob")
	require.Equal(t, 200, w.Code)
	require.Nil(t, asked, "no policy asks about it")
	require.Equal(t, authz.Stats{Allowed: 2, Denied: 2}, s.Stats())

	// A reload that does not touch the service keeps its connection, and one without
	// the policy asks nobody.
	require.NoError(t, s.Update(parse(t, meshWith(provider)+deciderService+askDecider+strings.ReplaceAll(denyAll, "rules: [{}]", "rules: [{to: [{operation: {paths: [/never]}}]}]"))))
	require.Equal(t, 200, send("/orders", "ann").Code)
	require.Len(t, dialled, 1)
	require.NoError(t, s.Update(parse(t, "")))
	require.Equal(t, 200, send("/orders", "bob").Code)
	require.Nil(t, asked)
}

func TestAFunctionStandsForAProviderOfTheMesh(t *testing.T) {
	s, err := istio.NewServer(parse(t, meshWith("envoyExtAuthzGrpc: {service: decider.infra.svc.cluster.local, port: 9000}")+askDecider), istio.ServerConfig{
		Workload: shop, Providers: map[string]func(*http.Request) (authz.Answer, error){
			"decider": func(*http.Request) (authz.Answer, error) { return authz.Answer{}, nil },
		},
	})
	require.NoError(t, err)
	defer s.Close()
	w := httptest.NewRecorder()
	s.Handler(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "/orders", nil))
	require.Equal(t, 403, w.Code)
}

func TestProvidersThatCannotBeCarriedOut(t *testing.T) {
	const at = "decider.infra.svc.cluster.local, port: 8000"
	for _, c := range []struct{ name, provider, reason string }{
		{"gRPC", "envoyExtAuthzGrpc: {service: " + at + "}", "AuthorizationPolicy shop/ask: spec.provider.name: is an envoyExtAuthzGrpc, which is not carried out"},
		{"of something else", "zipkin: {service: " + at + "}", "spec.provider.name: is a provider of something else"},
		{"a service that is not there", "envoyExtAuthzHttp: {service: other.infra.svc.cluster.local, port: 8000}", "extensionProviders[0].envoyExtAuthzHttp.service: is no service with a port 8000"},
		{"a service of another namespace", "envoyExtAuthzHttp: {service: shop/" + at + "}", "service: is no service"},
		{"a port that is not there", "envoyExtAuthzHttp: {service: decider.infra.svc.cluster.local, port: 80}", "service: is no service with a port 80"},
		{"a status that is none", "envoyExtAuthzHttp: {service: " + at + ", statusOnError: many}", "statusOnError: is no status"},
		{"a path without a slash", "envoyExtAuthzHttp: {service: " + at + ", pathPrefix: check}", "pathPrefix: must begin with a slash"},
		{"every header", "envoyExtAuthzHttp: {service: " + at + ", headersToUpstreamOnAllow: ['*']}", "headersToUpstreamOnAllow: must be a name"},
		{"a body of nothing", "envoyExtAuthzHttp: {service: " + at + ", includeRequestBodyInCheck: {allowPartialMessage: true}}", "maxRequestBytes: must be greater"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := parse(t, meshWith(c.provider)+deciderService+askDecider)
			_, err := istio.NewServer(config, istio.ServerConfig{Workload: shop})
			require.ErrorContains(t, err, c.reason)
			require.NotContains(t, err.Error(), "the server does not have")
			s, err := istio.NewServer(config, istio.ServerConfig{Workload: istio.Workload{Namespace: "elsewhere"}})
			require.NoError(t, err, "nobody asks it there")
			require.NoError(t, s.Close())
		})
	}
}

func TestASlowProviderIsBounded(t *testing.T) {
	decider := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer decider.Close()
	provider := "envoyExtAuthzHttp: {service: decider.infra.svc.cluster.local, port: 8000, timeout: 0.05s, failOpen: %v}"
	for open, want := range map[bool]int{false: 403, true: 200} {
		s, err := istio.NewServer(parse(t, meshWith(fmt.Sprintf(provider, open))+deciderService+askDecider), istio.ServerConfig{
			Workload: shop, Dial: to(decider.Listener.Addr().String(), nil),
		})
		require.NoError(t, err)
		w := httptest.NewRecorder()
		s.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, httptest.NewRequest("GET", "/orders", nil))
		require.Equal(t, want, w.Code)
		require.NoError(t, s.Close())
	}
}

// A gateway looks for a route when the service has decided.
func TestAServiceDecidesBeforeAGatewayRoutes(t *testing.T) {
	decider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X-Tier", "gold") }))
	defer decider.Close()
	documents := meshWith("envoyExtAuthzHttp: {service: decider.infra.svc.cluster.local, port: 8000, headersToUpstreamOnAllow: [x-tier]}") + deciderService + askDecider + `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {app: edge}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["shop.example"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example]
  gateways: [edge]
  http:
  - match: [{headers: {x-tier: {exact: gold}}}]
    directResponse: {status: 200, body: {string: gold}}
  - directResponse: {status: 200, body: {string: plain}}
`
	g, err := istio.NewGateway(parse(t, documents), istio.GatewayConfig{
		Workload: istio.Workload{Namespace: "shop", Labels: map[string]string{"app": "edge"}}, Dial: to(decider.Listener.Addr().String(), nil),
	})
	require.NoError(t, err)
	defer g.Close()
	for path, want := range map[string]string{"/orders": "gold", "/": "plain"} {
		w := httptest.NewRecorder()
		g.Handler(80).ServeHTTP(w, httptest.NewRequest("GET", "http://shop.example"+path, nil))
		require.Equal(t, want, w.Body.String())
	}
}
