package gatewayapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/meshtest"
)

func (b *backend) client(t *testing.T, c *Config, namespace string) *Client {
	client, err := NewClient(c, ClientConfig{Namespace: namespace, Dial: b.dial})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

func get(t *testing.T, rt http.RoundTripper, url string) *http.Response {
	r, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	res, err := rt.RoundTrip(r)
	require.NoError(t, err)
	res.Body.Close()
	return res
}

// onService begins the spec of a route on a Service.
func onService(name string) string {
	namespace, short, _ := strings.Cut(name, "/")
	return "parentRefs: [{group: '', kind: Service, name: " + short + ", namespace: " + namespace + "}]\n"
}

func TestAServiceIsDialledByItsNames(t *testing.T) {
	b := startBackend(t, nil)
	clustered := strings.Replace(service("shop/a"), "spec: {", "spec: {clusterIP: 10.0.0.7, ", 1)
	c := parse(t, clustered, service("shop/b"), httpRoute("shop/r", onService("shop/b")+"rules: [{matches: [{path: {value: /a}}], backendRefs: [{name: a, port: 80}]}]"))
	client := b.client(t, c, "shop")
	for url, want := range map[string]string{
		"http://a/":                          "a",
		"http://a:80/":                       "a",
		"http://A.shop/":                     "a",
		"http://a.shop.svc/":                 "a",
		"http://a.shop.svc.cluster.local./":  "a",
		"http://10.0.0.7/":                   "a",
		"http://b/a":                         "a",
		"http://b/b":                         "404 Not Found",
		"http://a:81/":                       "502 Bad Gateway",
		"http://c/":                          "502 Bad Gateway",
		"http://a.other.svc.cluster.local/x": "502 Bad Gateway",
	} {
		require.Equal(t, want, who(get(t, client, url)), url)
	}
	res := get(t, client, "http://c/")
	require.ErrorContains(t, mesh.ErrorOf(res), "no Service has the name and port c")
}

func TestConsumersRoutesReplaceThoseOfTheProducer(t *testing.T) {
	b := startBackend(t, nil)
	c := parse(t, service("shop/a"), service("shop/b"), service("shop/c"),
		httpRoute("shop/producer", onService("shop/a")+"rules: [{backendRefs: [{name: b, port: 80}]}]"),
		httpRoute("web/consumer", onService("shop/a")+"rules: [{matches: [{path: {value: /c}}], backendRefs: [{name: c, namespace: shop, port: 80}]}]"))
	require.Equal(t, "b", who(get(t, b.client(t, c, "shop"), "http://a.shop/c")))
	require.Equal(t, "b", who(get(t, b.client(t, c, "other"), "http://a.shop/c")))
	require.Equal(t, "c", who(get(t, b.client(t, c, "web"), "http://a.shop/c")))
	require.Equal(t, "404 Not Found", who(get(t, b.client(t, c, "web"), "http://a.shop/b")), "groups of routes are not merged")
}

func TestABackendsOwnRoutesDoNotApply(t *testing.T) {
	b := startBackend(t, nil)
	c := parse(t, service("shop/a"), service("shop/b"),
		httpRoute("shop/one", onService("shop/a")+"rules: [{backendRefs: [{name: b, port: 80}]}]"),
		httpRoute("shop/two", onService("shop/b")+"rules: [{backendRefs: [{name: a, port: 80}]}]"))
	client := b.client(t, c, "shop")
	require.Equal(t, "b", who(get(t, client, "http://a/")))
	require.Equal(t, "a", who(get(t, client, "http://b/")))
}

func TestSessionsStayWhereTheyBegan(t *testing.T) {
	for _, tc := range []struct {
		name, persistence string
		token             func(*http.Response) (name, value string)
	}{
		{"by cookie", "{cookie: {name: pin, path: /shop}}", cookieOf},
		{"by a cookie in the older shape", "{sessionName: pin, type: Cookie, absoluteTimeout: 1h, cookieConfig: {lifetimeType: Permanent}}", cookieOf},
		{"by header", "{type: Header, header: {name: X-Session}}", func(res *http.Response) (string, string) { return "X-Session", res.Header.Get("X-Session") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := startBackend(t, nil)
			weights := func(a, b int) *Config {
				return parse(t, service("shop/a"), service("shop/b"), httpRoute("shop/r", onService("shop/a")+fmt.Sprintf(`
rules:
- sessionPersistence: %s
  backendRefs: [{name: a, port: 80, weight: %d}, {name: b, port: 80, weight: %d}]
`, tc.persistence, a, b)))
			}
			client := b.client(t, weights(1, 1), "shop")
			var first *http.Response
			for first == nil || who(first) != "a" {
				first = get(t, client, "http://a/")
			}
			name, value := tc.token(first)
			require.NotEmpty(t, value)
			require.NoError(t, client.Update(weights(0, 1)))
			for range 20 {
				r, _ := http.NewRequest(http.MethodGet, "http://a/", http.NoBody)
				r.Header.Set(name, value)
				res, err := client.RoundTrip(r)
				require.NoError(t, err)
				res.Body.Close()
				require.Equal(t, "a", who(res), "persistence beats weights")
				_, again := tc.token(res)
				require.Empty(t, again, "a session is told once")
				require.Equal(t, "b", who(get(t, client, "http://a/")), "a client without a session goes by weights")
			}
		})
	}
}

func cookieOf(res *http.Response) (name, value string) {
	for _, c := range res.Cookies() {
		return "Cookie", c.Name + "=" + c.Value
	}
	return "Cookie", ""
}

func TestSessionsStayAtTheirEndpoint(t *testing.T) {
	b := startBackend(t, nil)
	many := strings.Replace(service("shop/a"), "[{addresses: [a-0.shop]}]", "[{addresses: [a-0.shop]}, {addresses: [b-0.shop]}, {addresses: [c-0.shop]}]", 1)
	c := parse(t, many, httpRoute("shop/r", onService("shop/a")+"rules: [{sessionPersistence: {type: Header, header: {name: X-Session}}, backendRefs: [{name: a, port: 80}]}]"))
	client := b.client(t, c, "shop")
	first := get(t, client, "http://a/")
	for range 20 {
		r, _ := http.NewRequest(http.MethodGet, "http://a/", http.NoBody)
		r.Header.Set("X-Session", first.Header.Get("X-Session"))
		res, err := client.RoundTrip(r)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, who(first), who(res))
	}
	for _, bad := range []string{"", "x", strings.Repeat("f", 40), strings.Repeat("z", 40)} {
		r, _ := http.NewRequest(http.MethodGet, "http://a/", http.NoBody)
		r.Header.Set("X-Session", bad)
		res, err := client.RoundTrip(r)
		require.NoError(t, err)
		res.Body.Close()
		require.NotEmpty(t, res.Header.Get("X-Session"), "a token that is none is replaced")
	}
}

func TestTokensAreReadBack(t *testing.T) {
	want := token{branch: 1, endpoint: 1 << 63, since: 1_800_000_000}
	have, ok := parseToken(want.String())
	require.True(t, ok)
	require.Equal(t, want, have)
}

func FuzzToken(f *testing.F) {
	f.Add(token{1, 2, 3}.String())
	f.Fuzz(func(t *testing.T, s string) {
		if have, ok := parseToken(s); ok {
			again, ok := parseToken(have.String())
			if !ok && have.since >= 0 || ok && again != have {
				t.Errorf("%q: %+v, then %+v", s, have, again)
			}
		}
	})
}

func TestTheClientKeepsTheContractOfTransports(t *testing.T) {
	meshtest.TestTransport(t, func(next http.RoundTripper) http.RoundTripper {
		c, err := NewClient(parse(t), ClientConfig{Unknown: next})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		return c
	})
}
