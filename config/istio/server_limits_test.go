package istio_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/limit"
)

// rateLimit is one of the namespace shop with rules, which do not fill up while a
// test runs unless told so.
func rateLimit(name, rules string) string {
	return `
apiVersion: mesh.sidecarless.dev/v1alpha1
kind: RateLimit
metadata: {name: ` + name + `, namespace: shop}
spec:
  selector: {matchLabels: {app: reviews}}
  rules:
` + rules + "---\n"
}

const bucketOf = "tokenBucket: {maxTokens: %d, fillInterval: 1000h}"

// bucket is a rule with so many tokens and further fields.
func bucket(tokens int, fields string) string {
	return "  - {" + fmt.Sprintf(bucketOf, tokens) + fields + "}\n"
}

// limited is a server of documents, and what it answers to requests.
type limitedServer struct {
	*istio.Server
	http.Handler
}

func newLimited(t testing.TB, documents string) *limitedServer {
	t.Helper()
	s, err := istio.NewServer(parse(t, documents), istio.ServerConfig{Workload: shop})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return &limitedServer{s, s.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))}
}

// statuses are those of a request to each of the paths, with a header.
func (s *limitedServer) statuses(user string, paths ...string) (all []int) {
	for _, path := range paths {
		all = append(all, s.ask(user, path).Code)
	}
	return all
}

func (s *limitedServer) ask(user, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	if user != "" {
		r.Header.Set("X-User", user)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestAServerKeepsToItsRateLimits(t *testing.T) {
	for _, c := range []struct {
		name, documents string
		ask             func(*limitedServer) []int
		want            []int
	}{
		{"one bucket for all", rateLimit("a", bucket(2, "")), func(s *limitedServer) []int {
			return append(s.statuses("anna", "/", "/"), s.statuses("ben", "/")...)
		}, []int{200, 200, 429}},
		{"a bucket for each user", rateLimit("a", bucket(1, ", key: {header: x-user}")), func(s *limitedServer) []int {
			return append(s.statuses("anna", "/", "/"), s.statuses("ben", "/", "/")...)
		}, []int{200, 429, 200, 429}},
		{"a bucket for each template", rateLimit("a", bucket(1, `, key: {paths: ["/users/{*}", "/{**}"]}`)), func(s *limitedServer) []int {
			return s.statuses("", "/users/1", "/users/2", "/x", "/y")
		}, []int{200, 429, 200, 429}},
		{"a bucket for each address", rateLimit("a", bucket(1, ", key: {address: {}}")), func(s *limitedServer) []int {
			return s.statuses("", "/", "/")
		}, []int{200, 429}},
		{"several rules", rateLimit("a", bucket(3, "")+bucket(1, ", key: {header: x-user}")), func(s *limitedServer) []int {
			return append(s.statuses("anna", "/", "/"), s.statuses("ben", "/", "/")...)
		}, []int{200, 429, 200, 429}},
		{"several objects", rateLimit("a", bucket(3, "")) + rateLimit("b", bucket(1, ", key: {header: x-user}")), func(s *limitedServer) []int {
			return append(s.statuses("anna", "/", "/"), s.statuses("ben", "/", "/")...)
		}, []int{200, 429, 200, 429}},
		{"exempt requests", rateLimit("a", bucket(1, ", exempt: [{path: /healthz}, {path: '/static/*', method: GET}]")), func(s *limitedServer) []int {
			return s.statuses("", "/", "/healthz", "/static/a", "/static/../a", "/healthz/", "/x")
		}, []int{200, 200, 200, 429, 429, 429}},
		{"another status", rateLimit("a", bucket(1, ", status: 503")), func(s *limitedServer) []int { return s.statuses("", "/", "/") }, []int{200, 503}},
		{"a dry run", rateLimit("a", bucket(1, ", dryRun: true")), func(s *limitedServer) []int { return s.statuses("", "/", "/") }, []int{200, 200}},
		{"for other workloads", rateLimit("a", bucket(1, ""))[:len(rateLimit("a", bucket(1, "")))-4], func(s *limitedServer) []int { return s.statuses("", "/", "/") }, []int{200, 429}},
		{"who is denied takes no token", rateLimit("a", bucket(1, "")) + `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: private, namespace: shop}
spec: {action: DENY, rules: [{to: [{operation: {paths: [/private]}}]}]}
`, func(s *limitedServer) []int { return s.statuses("", "/private", "/private", "/", "/") }, []int{403, 403, 200, 429}},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, c.ask(newLimited(t, c.documents))) })
	}
}

func TestRateLimitsReachWhatPoliciesReach(t *testing.T) {
	const rules = "spec:\n  %s\n  rules: [{tokenBucket: {maxTokens: 1, fillInterval: 1h}}]\n"
	for _, c := range []struct {
		namespace, selector string
		reached             bool
	}{
		{"shop", "", true},
		{"shop", "selector: {matchLabels: {app: reviews}}", true},
		{"shop", "selector: {matchLabels: {app: ratings}}", false},
		{"bank", "", false},
		{"istio-system", "", true},
		{"istio-system", "selector: {matchLabels: {app: reviews}}", true},
		{"istio-system", "selector: {matchLabels: {app: ratings}}", false},
	} {
		s := newLimited(t, "apiVersion: mesh.sidecarless.dev/v1alpha1\nkind: RateLimit\nmetadata: {name: a, namespace: "+c.namespace+"}\n"+fmt.Sprintf(rules, c.selector))
		want := []int{200, 200}
		if c.reached {
			want[1] = 429
		}
		require.Equal(t, want, s.statuses("", "/", "/"), "%s %s", c.namespace, c.selector)
	}
}

func TestRefusalsOfARateLimit(t *testing.T) {
	s := newLimited(t, rateLimit("a", "  - {tokenBucket: {maxTokens: 1, fillInterval: 4s}, rateLimitHeaders: true, headers: {x-local-rate-limit: 'true'}}\n"))
	require.Equal(t, "1", s.ask("", "/").Header().Get("X-Ratelimit-Limit"))
	w := s.ask("", "/")
	require.Equal(t, 429, w.Code)
	require.Equal(t, "local_rate_limited", w.Body.String())
	for name, want := range map[string]string{
		"Retry-After": "4", "X-Ratelimit-Limit": "1", "X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "4", "X-Local-Rate-Limit": "true",
	} {
		require.Equal(t, want, w.Header().Get(name), name)
	}
}

func TestBucketsOverAReload(t *testing.T) {
	user := ", key: {header: x-user}"
	named := func(name string, tokens int, fields string) string {
		return "  - {name: " + name + ", " + fmt.Sprintf(bucketOf, tokens) + fields + "}\n"
	}
	before := rateLimit("a", named("all", 100, "")+named("user", 1, user))
	for _, c := range []struct {
		name, after string
		want        int // of a request of somebody whose tokens are spent
	}{
		{"nothing changed", before, 429},
		{"other rules changed and came", rateLimit("b", bucket(5, "")) + rateLimit("a", named("first", 9, "")+named("all", 50, ", dryRun: true")+named("user", 1, user)), 429},
		{"the rule has more tokens, which have to come", rateLimit("a", named("user", 10, user)), 429},
		{"the rule has another status", rateLimit("a", named("user", 1, user+", status: 503")), 503},
		{"the rule has another key", rateLimit("a", named("user", 1, ", key: {header: x-other}")), 200},
		{"the rule has another name", rateLimit("a", named("person", 1, user)), 200},
		{"the rule is another object's", rateLimit("b", named("user", 1, user)), 200},
		{"the rule is gone", strict[:0], 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newLimited(t, before)
			require.Equal(t, []int{200, 429}, s.statuses("anna", "/", "/"))
			require.NoError(t, s.Update(parse(t, c.after)))
			require.Equal(t, []int{c.want}, s.statuses("anna", "/"))
		})
	}
	t.Run("a reload that fails", func(t *testing.T) {
		s := newLimited(t, before)
		require.Equal(t, []int{200, 429}, s.statuses("anna", "/", "/"))
		require.Error(t, s.Update(parse(t, rateLimit("a", named("user", 100, user))+strict)), "there is no identity")
		require.Equal(t, []int{429}, s.statuses("anna", "/"))
		require.Equal(t, limit.Stats{Allowed: 1, Limited: 2, Keys: 1}, maps.Collect(s.Limits())["RateLimit shop/a user"])
	})
}

func TestTokensComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := istio.NewServer(parse(t, rateLimit("a", "  - {tokenBucket: {maxTokens: 5, tokensPerFill: 2, fillInterval: 200ms}}\n")), istio.ServerConfig{Workload: shop})
		require.NoError(t, err)
		defer s.Close()
		l := &limitedServer{s, s.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))}
		// As Envoy answered in local_rate_limit.json.
		require.Equal(t, []int{200, 200, 200, 200, 200, 429}, l.statuses("", "/", "/", "/", "/", "/", "/"))
		time.Sleep(110 * time.Millisecond)
		require.Equal(t, []int{200, 429}, l.statuses("", "/", "/"))
		time.Sleep(210 * time.Millisecond)
		require.Equal(t, []int{200, 200, 429}, l.statuses("", "/", "/", "/"))
	})
}

func TestARateLimitForEachIdentity(t *testing.T) {
	ca := certtest.NewCA()
	s, err := istio.NewServer(parse(t, rateLimit("a", bucket(1, ", key: {identity: {}}"))), istio.ServerConfig{
		Workload: shop, Identity: identity(t, ca, "reviews"),
	})
	require.NoError(t, err)
	defer s.Close()
	addr := start(t, s)
	for _, c := range []struct {
		account string
		want    int
	}{{"frontend", 200}, {"frontend", 429}, {"batch", 200}, {"batch", 429}} {
		tr := &http.Transport{TLSClientConfig: identity(t, ca, c.account).Client()}
		res, err := tr.RoundTrip(httptest.NewRequest("GET", "https://"+addr+"/", nil))
		require.NoError(t, err)
		res.Body.Close()
		tr.CloseIdleConnections()
		require.Equal(t, c.want, res.StatusCode, c.account)
	}
}

func TestAGatewayKeepsToItsRateLimits(t *testing.T) {
	g, err := istio.NewGateway(parse(t, rateLimit("a", bucket(1, ""))+`
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: shop}
spec:
  selector: {app: reviews}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: shop}
spec: {hosts: ["*"], gateways: [edge], http: [{directResponse: {status: 204}}]}
`), istio.GatewayConfig{Workload: shop})
	require.NoError(t, err)
	defer g.Close()
	for _, want := range []int{204, 429} {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		require.Equal(t, want, w.Code)
	}
}

func BenchmarkServerWithARateLimit(b *testing.B) {
	s := newLimited(b, rateLimit("a", "  - {tokenBucket: {maxTokens: 1000000000, tokensPerFill: 1000000000, fillInterval: 1s}, key: {header: x-user}}\n"))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-User", "anna")
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		s.ServeHTTP(w, r)
	}
}
