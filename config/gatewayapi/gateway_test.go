package gatewayapi

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRoutesAreChosenByPrecedence(t *testing.T) {
	b := startBackend(t, nil)
	to := func(name string) string { return "  backendRefs: [{name: " + name + ", port: 80}]\n" }
	c := parse(t, edge, service("shop/a"), service("shop/b"), service("shop/c"), service("shop/d"), service("shop/e"),
		httpRoute("shop/hosts", onEdge+`
hostnames: ["*.example.com"]
rules:
- matches: [{path: {value: /wild}}]
`+to("b")+`- matches: [{path: {value: /both}, headers: [{name: x, value: "1"}, {name: z, value: "1"}]}]
`+to("b")),
		httpRoute("shop/exact", onEdge+`
hostnames: [shop.example.com]
rules:
- matches: [{path: {value: /both}}]
`+to("a")+`- matches: [{path: {type: RegularExpression, value: "/re/[0-9]+"}}]
`+to("c")+`- matches: [{path: {value: /re}, method: GET}]
`+to("d")+`- matches: [{path: {type: Exact, value: /re/1}}]
`+to("e")+`- matches: [{path: {value: /q}, queryParams: [{name: k, value: "a b/c"}]}]
`+to("e")+`- matches: [{path: {value: /joined}, headers: [{name: X-List, value: "1,2"}]}]
`+to("c")))
	_, h := b.gateway(t, c)
	for _, tc := range []struct {
		target, want string
		header       []string
	}{
		{target: "http://shop.example.com/both", want: "a"},
		{target: "http://shop.example.com/both", want: "a", header: []string{"X", "1", "Z", "1"}},
		{target: "http://a.b.example.com/both", want: "b", header: []string{"X", "1", "Z", "1"}},
		{target: "http://a.b.example.com/both", want: "404 Not Found"},
		{target: "http://example.com/wild", want: "404 Not Found"},
		{target: "http://shop.example.com:8080/wild/x", want: "b"},
		{target: "http://shop.example.com/wilder", want: "404 Not Found"},
		{target: "http://shop.example.com/re/2", want: "c"},
		{target: "http://shop.example.com/re/x", want: "d"},
		{target: "http://shop.example.com/re/1", want: "e"},
		{target: "http://shop.example.com/x/../re/1", want: "e"},
		{target: "http://shop.example.com/q?k=a+b%2Fc", want: "e"},
		{target: "http://shop.example.com/q?k=a%20b/c&k=2", want: "e"},
		{target: "http://shop.example.com/q?k=2&k=a+b%2Fc", want: "404 Not Found"},
		{target: "http://shop.example.com/joined", want: "c", header: []string{"X-List", "1", "X-List", "2"}},
		{target: "http://shop.example.com/joined", want: "404 Not Found", header: []string{"X-List", "1"}},
	} {
		require.Equal(t, tc.want, who(ask(h, tc.target, tc.header...)), "%s %v", tc.target, tc.header)
	}
}

// The table is that of the API's reference for ReplacePrefixMatch.
func TestPrefixesAreReplacedBySegments(t *testing.T) {
	for _, tc := range []struct{ path, prefix, replacement, want string }{
		{"/foo/bar", "/foo", "/xyz", "/xyz/bar"},
		{"/foo/bar", "/foo", "/xyz/", "/xyz/bar"},
		{"/foo/bar", "/foo/", "/xyz", "/xyz/bar"},
		{"/foo/bar", "/foo/", "/xyz/", "/xyz/bar"},
		{"/foo", "/foo", "/xyz", "/xyz"},
		{"/foo/", "/foo", "/xyz", "/xyz/"},
		{"/foo/bar", "/foo", "", "/bar"},
		{"/foo/", "/foo", "", "/"},
		{"/foo", "/foo", "", "/"},
		{"/foo/", "/foo", "/", "/"},
		{"/foo", "/foo", "/", "/"},
		{"/foo/bar?a=1", "/", "/xyz", "/xyz/foo/bar?a=1"},
	} {
		t.Run(fmt.Sprint(tc), func(t *testing.T) {
			b := startBackend(t, nil)
			modifier := "path: {type: ReplacePrefixMatch, replacePrefixMatch: " + fmt.Sprintf("%q", tc.replacement) + "}"
			_, h := b.gateway(t, parse(t, edge, service("shop/a"), httpRoute("shop/a", onEdge+`
rules:
- matches: [{path: {value: `+tc.prefix+`}, method: GET}]
  filters: [{type: URLRewrite, urlRewrite: {`+modifier+`}}]
  backendRefs: [{name: a, port: 80}]
- matches: [{path: {value: `+tc.prefix+`}, method: HEAD}]
  filters: [{type: RequestRedirect, requestRedirect: {`+modifier+`}}]
`)))
			require.Equal(t, tc.want, ask(h, "http://shop"+tc.path).Header.Get("X-Path"))
			res := askWith(h, httptest.NewRequest(http.MethodHead, "http://shop:8080"+tc.path, nil))
			require.Equal(t, "http://shop"+tc.want, res.Header.Get("Location"), "the port is the listener's")
			require.Equal(t, http.StatusFound, res.StatusCode)
		})
	}
}

func TestInvalidBackendsKeepTheirShare(t *testing.T) {
	b := startBackend(t, nil)
	c := parse(t, edge, service("shop/a"), service("other/b"), httpRoute("shop/a", onEdge+`
rules:
- matches: [{path: {value: /half}}]
  backendRefs: [{name: a, port: 80}, {name: b, namespace: other, port: 80}]
- matches: [{path: {value: /none}}]
- matches: [{path: {value: /zero}}]
  backendRefs: [{name: a, port: 80, weight: 0}]
- matches: [{path: {value: /port}}]
  backendRefs: [{name: a, port: 81}]
- matches: [{path: {value: /filter}}]
  filters: [{type: ExtensionRef, extensionRef: {group: example.com, kind: Limit, name: a}}]
  backendRefs: [{name: a, port: 80}]
`))
	_, h := b.gateway(t, c)
	seen := map[string]int{}
	for range 400 {
		seen[who(ask(h, "http://shop/half"))]++
	}
	require.Equal(t, 400, seen["a"]+seen["500 Internal Server Error"])
	require.InDelta(t, 200, seen["a"], 60)
	for _, path := range []string{"/none", "/zero", "/port", "/filter"} {
		require.Equal(t, "500 Internal Server Error", who(ask(h, "http://shop"+path)), path)
	}
	var warnings []string
	for p := range c.Warnings() {
		warnings = append(warnings, p.Error())
	}
	require.Contains(t, strings.Join(warnings, "\n"), "has a backend to which requests cannot be sent, and which answers with 500: RefNotPermitted")
	require.Contains(t, strings.Join(warnings, "\n"), "spec.rules[4].filters[0].extensionRef: is not carried out")
}

func TestAGrantCountsFromTheNextRequest(t *testing.T) {
	b := startBackend(t, nil)
	grant := `
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}]
  to: [{group: "", kind: Service}]
`
	documents := []string{edge, service("other/b"), httpRoute("shop/a", onEdge+"rules: [{backendRefs: [{name: b, namespace: other, port: 80}]}]")}
	g, h := b.gateway(t, parse(t, documents...))
	require.Equal(t, "500 Internal Server Error", who(ask(h, "http://shop/")))
	require.NoError(t, g.Update(parse(t, append(documents, grant)...)))
	require.Equal(t, "b", who(ask(h, "http://shop/")))
	require.NoError(t, g.Update(parse(t, documents...)))
	require.Equal(t, "500 Internal Server Error", who(ask(h, "http://shop/")))
}

func TestABadUpdateChangesNothing(t *testing.T) {
	b := startBackend(t, nil)
	g, h := b.gateway(t, parse(t, edge, service("shop/a"), httpRoute("shop/a", onEdge+"rules: [{backendRefs: [{name: a, port: 80}]}]")))
	require.ErrorContains(t, g.Update(parse(t, service("shop/a"))), "gatewayapi.Name: is missing: there are 0 Gateways")
	bad, _ := Parse("bad.yaml", strings.NewReader(httpRoute("shop/a", "rules: []")))
	require.ErrorContains(t, g.Update(bad), "bad.yaml:5: HTTPRoute shop/a: spec.rules: needs at least one entry")
	require.Equal(t, "a", who(ask(h, "http://shop/")))
}

func TestConnectionsSurviveUpdates(t *testing.T) {
	b := startBackend(t, nil)
	var dials atomic.Int32
	dial := b.dial
	b.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return dial(ctx, network, address)
	}
	documents := []string{edge, service("shop/a"), httpRoute("shop/a", onEdge+"rules: [{backendRefs: [{name: a, port: 80}]}]")}
	g, h := b.gateway(t, parse(t, documents...))
	for range 5 {
		require.Equal(t, "a", who(ask(h, "http://shop/")))
		require.NoError(t, g.Update(parse(t, documents...)))
	}
	require.EqualValues(t, 1, dials.Load())
}

func TestServicesWithoutReadyEndpointsAnswer503(t *testing.T) {
	b := startBackend(t, nil)
	down := strings.Replace(service("shop/a"), "addresses: [a-0.shop]", "addresses: [a-0.shop], conditions: {ready: false}", 1)
	_, h := b.gateway(t, parse(t, edge, down, httpRoute("shop/a", onEdge+"rules: [{backendRefs: [{name: a, port: 80}]}]")))
	require.Equal(t, http.StatusServiceUnavailable, ask(h, "http://shop/").StatusCode)
}

func TestBackoffIsTheLeastWaitBetweenAttempts(t *testing.T) {
	var times []time.Time
	b := startBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		times = append(times, time.Now())
		w.WriteHeader(http.StatusBadGateway)
	})
	_, h := b.gateway(t, parse(t, edge, service("shop/a"), httpRoute("shop/a", onEdge+`
rules:
- retry: {codes: [502], attempts: 2, backoff: 30ms}
  backendRefs: [{name: a, port: 80}]
`)))
	require.Equal(t, http.StatusBadGateway, ask(h, "http://shop/").StatusCode, "the last answer is returned")
	require.Len(t, times, 3)
	require.GreaterOrEqual(t, times[1].Sub(times[0]), 30*time.Millisecond)
	require.GreaterOrEqual(t, times[2].Sub(times[1]), 30*time.Millisecond)
}

func TestGRPCAndHTTPDoNotShareAHost(t *testing.T) {
	b := startBackend(t, nil)
	grpc := strings.NewReplacer("HTTPRoute", "GRPCRoute").Replace
	young := func(s string) string {
		return strings.Replace(s, "namespace: shop}", "namespace: shop, creationTimestamp: 2026-01-01T00:00:00Z}", 1)
	}
	spec := onEdge + "hostnames: [%s]\nrules: [{backendRefs: [{name: a, port: 80}]}]"
	_, h := b.gateway(t, parse(t, edge, service("shop/a"),
		young(httpRoute("shop/http", fmt.Sprintf(spec, `"*.example.com"`))),
		grpc(httpRoute("shop/grpc", fmt.Sprintf(spec, "grpc.example.com")))))
	require.Equal(t, "404 Not Found", who(ask(h, "http://www.example.com/")), "the older route keeps the host")
}

func TestPortsAreTheListeners(t *testing.T) {
	g, err := NewGateway(parse(t, `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  gatewayClassName: mesh
  listeners:
  - {name: a, port: 8080, protocol: HTTP}
  - {name: b, port: 80, protocol: HTTP, hostname: one.example}
  - {name: c, port: 80, protocol: HTTP, hostname: two.example}
  - {name: d, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}]}}
`), GatewayConfig{})
	require.NoError(t, err)
	defer g.Close()
	plain, secure := g.Ports()
	require.Equal(t, []uint16{80, 8080}, plain)
	require.Equal(t, []uint16{443}, secure)
}
