package authz_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/match"
)

func TestOrderOfPolicies(t *testing.T) {
	all, none := authz.Rule{}, to(authz.Operation{Paths: exact("/nowhere")})
	for _, c := range []struct {
		name     string
		policies []authz.Policy
		allowed  bool
		details  string
	}{
		{"without policies all is allowed", nil, true, ""},
		{"an allowing policy without rules keeps all out", []authz.Policy{allow()}, false, "[none]"},
		{"an empty rule matches all", []authz.Policy{allow(all)}, true, ""},
		{"what no policy allows is refused", []authz.Policy{allow(none)}, false, "[none]"},
		{"one of several policies is enough", []authz.Policy{allow(none), allow(none, all)}, true, ""},
		{"a refusal beats a permission", []authz.Policy{allow(all), deny(none, all)}, false, "[deny-rule[1]]"},
		{"a refusal that does not match changes nothing", []authz.Policy{deny(none)}, true, ""},
		{"a refusing policy without rules matches nothing", []authz.Policy{deny()}, true, ""},
		{"the first rule that matches is named", []authz.Policy{deny(none), {Name: "second one", Action: authz.Deny, Rules: []authz.Rule{all}}, deny(all)}, false, "[second_one-rule[0]]"},
		{"an audit decides nothing", []authz.Policy{{Action: authz.Audit, Rules: []authz.Rule{all}}}, true, ""},
		{"a dry run refuses nothing", []authz.Policy{{Action: authz.Deny, DryRun: true, Rules: []authz.Rule{all}}}, true, ""},
		{"a dry run of a permission shuts nobody out", []authz.Policy{{DryRun: true, Rules: []authz.Rule{none}}}, true, ""},
		{"a dry run lets nobody in", []authz.Policy{allow(), {DryRun: true, Rules: []authz.Rule{all}}}, false, "[none]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newAuthorizer(t, authz.Config{Policies: c.policies}).Decide(request("GET /x"))
			require.Equal(t, c.allowed, d.Allowed, d)
			if !c.allowed {
				require.Equal(t, "rbac_access_denied_matched_policy"+c.details, d.Details())
			}
		})
	}
}

// Each rule is put into a policy that allows, and so is asked of alone.
func TestWhatARuleMatches(t *testing.T) {
	id := func(s authz.Set) authz.Rule { return from(authz.Source{Principals: s}) }
	ns := func(s authz.Set) authz.Rule { return from(authz.Source{Namespaces: s}) }
	present := authz.Set{In: []match.Value{match.Present()}}
	issuer := func(iss, sub string) authz.Rule {
		return from(authz.Source{RequestPrincipals: exact(authz.RequestPrincipal(iss, sub))})
	}
	plain := request("GET /x")
	for _, c := range []struct {
		name string
		rule authz.Rule
		r    *http.Request
		want bool
	}{
		{"a principal", id(exact(frontend)), request("GET /x", by(frontend)), true},
		{"another principal", id(exact(frontend)), request("GET /x", by(batch)), false},
		{"no principal for an exact one", id(exact(frontend)), plain, false},
		{"no principal for any", id(present), plain, false},
		{"no principal for not one", id(notExact(frontend)), plain, true},
		{"a principal is case-sensitive", id(exact(frontend)), request("GET /x", by("cluster.local/ns/shop/sa/Frontend")), false},
		{"a namespace", ns(exact("shop")), request("GET /x", by(frontend)), true},
		{"a namespace of another trust domain", ns(exact("shop")), request("GET /x", by("other/ns/shop/sa/a")), true},
		{"a namespace that is an account", ns(exact("frontend")), request("GET /x", by(frontend)), false},
		{"not a namespace in plain text", ns(notExact("shop")), plain, true},
		{"a namespace in an id of another form", ns(exact("shop")), request("GET /x", by("td/x/ns/shop/sa/a")), false},
		{"a service account", from(authz.Source{ServiceAccounts: exact("shop/frontend")}), request("GET /x", by(frontend)), true},
		{"a service account elsewhere", from(authz.Source{ServiceAccounts: exact("shop/frontend")}), request("GET /x", by("cluster.local/ns/jobs/sa/frontend")), false},
		{"a trust domain", from(authz.Source{TrustDomains: exact("cluster.local")}), request("GET /x", by(frontend)), true},
		{"two sources", authz.Rule{From: []authz.Source{{Principals: exact(frontend)}, {Namespaces: exact("jobs")}}}, request("GET /x", by(batch)), true},
		{"all of one source", from(authz.Source{Principals: exact(frontend), Namespaces: exact("jobs")}), request("GET /x", by(frontend)), false},
		{"in and not in", from(authz.Source{Namespaces: authz.Set{In: present.In, NotIn: exact("shop").In}}), request("GET /x", by(frontend)), false},

		{"the address of the connection", from(authz.Source{Peers: nets("10.0.0.0/8")}), plain, true},
		{"an address written as IPv6", from(authz.Source{Peers: nets("10.0.0.0/8")}), request("GET /x", remote("[::ffff:10.1.2.3]:1")), true},
		{"a range written as IPv6", from(authz.Source{Peers: nets("::ffff:10.0.0.0/104")}), plain, true},
		{"an address with a zone", from(authz.Source{Peers: nets("fe80::/10")}), request("GET /x", remote("[fe80::1%eth0]:1")), true},
		{"no address", from(authz.Source{Peers: nets("0.0.0.0/0", "::/0")}), request("GET /x", remote("@")), false},
		{"not an address", from(authz.Source{Peers: authz.Nets{NotIn: nets("10.0.0.0/8").In}}), plain, false},

		{"a method", to(authz.Operation{Methods: exact("GET")}), plain, true},
		{"a method is case-sensitive", to(authz.Operation{Methods: exact("GET")}), request("get /x"), false},
		{"a path", to(authz.Operation{Paths: exact("/x")}), request("GET /x?y"), true},
		{"a host in any case", to(authz.Operation{Hosts: exact("a.example")}), request("GET /x", host("A.Example")), true},
		{"a host with a port", to(authz.Operation{Hosts: exact("a.example")}), request("GET /x", host("a.example:80")), false},
		{"a host by an expression", to(authz.Operation{Hosts: authz.Set{In: []match.Value{match.Regex(`a\..*`)}}}), request("GET /x", host("a.example")), true},
		{"this port", to(authz.Operation{Ports: authz.Ports{In: []uint16{8080}}}), plain, true},
		{"another port", to(authz.Operation{Ports: authz.Ports{In: []uint16{80}}}), plain, false},
		{"not this port", to(authz.Operation{Ports: authz.Ports{NotIn: []uint16{8080}}}), plain, false},

		{"a header", when("request.headers[x-a]", exact("1")), request("GET /x", withHeader("X-A", "1")), true},
		{"a header on a further line", when("request.headers[x-a]", exact("2")), request("GET /x", withHeader("X-A", "1", "2")), true},
		{"lines are not joined", when("request.headers[x-a]", exact("1,2")), request("GET /x", withHeader("X-A", "1", "2")), false},
		{"no header", when("request.headers[x-a]", present), plain, false},
		{"an empty header is there", when("request.headers[x-a]", present), request("GET /x", withHeader("X-A", "")), true},
		{"not a header that is not there", when("request.headers[x-a]", notExact("1")), plain, true},
		{"no line may be excluded", when("request.headers[x-a]", notExact("1")), request("GET /x", withHeader("X-A", "2", "1")), false},
		{"the host as a header", when("request.headers[host]", exact("example.com")), plain, true},
		{"the authority as a header", when("request.headers[:authority]", exact("example.com")), plain, true},
		{"the path as a header has the query", when("request.headers[:path]", exact("/a?b=c")), request("GET /x/../a?b=c"), true},
		{"the method as a header", when("request.headers[:METHOD]", exact("GET")), plain, true},
		{"the scheme as a header", when("request.headers[:scheme]", exact("http")), plain, true},
		{"the port as a condition", when("destination.port", exact("8080")), plain, true},
		{"the server's address", whenNet("destination.ip", nets("10.0.0.1/32")), plain, true},
		{"the peer's address", whenNet("source.ip", nets("10.1.2.3/32")), plain, true},
		{"the server's name", when("connection.sni", exact("a.example")), request("GET /x", serverName("a.example")), true},
		{"no server's name", when("connection.sni", notExact("a.example")), plain, true},
		{"the principal as a condition", when("source.principal", exact(frontend)), request("GET /x", by(frontend)), true},

		{"issuer and subject", issuer("https://idp/x", "me"), request("GET /x", token(map[string]any{"iss": "https://idp/x", "sub": "me"})), true},
		{"a slash may stand on either side", issuer("https://idp/x", "me"), request("GET /x", token(map[string]any{"iss": "https://idp", "sub": "x/me"})), false},
		{"a subject without an issuer", from(authz.Source{RequestPrincipals: present}), request("GET /x", token(map[string]any{"sub": "me"})), false},
		{"a subject that hides an issuer", issuer("a", "b"), request("GET /x", token(map[string]any{"iss": "a\x00b", "sub": "c"})), false},
		{"no token", from(authz.Source{RequestPrincipals: authz.Set{NotIn: present.In}}), plain, true},
		{"a claim", when("request.auth.claims[group]", exact("a")), request("GET /x", token(map[string]any{"group": "a"})), true},
		{"a claim in a list", when("request.auth.claims[group]", exact("b")), request("GET /x", token(map[string]any{"group": []any{1, "b"}})), true},
		{"a claim in a list of texts", when("request.auth.claims[group]", exact("b")), request("GET /x", token(map[string]any{"group": []string{"b"}})), true},
		{"a claim within a claim", when("request.auth.claims[a][b]", exact("c")), request("GET /x", token(map[string]any{"a": map[string]any{"b": "c"}})), true},
		{"a claim within a text", when("request.auth.claims[a][b]", exact("c")), request("GET /x", token(map[string]any{"a": "c"})), false},
		{"a number", when("request.auth.claims[n]", exact("1")), request("GET /x", token(map[string]any{"n": 1})), false},
		{"a word of the scope", when("request.auth.claims[scope]", exact("write")), request("GET /x", token(map[string]any{"scope": "read write"})), true},
		{"a word of another claim", when("request.auth.claims[group]", exact("b")), request("GET /x", token(map[string]any{"group": "a b"})), false},
		{"an audience", when("request.auth.audiences", exact("b")), request("GET /x", token(map[string]any{"aud": []any{"a", "b"}})), true},
		{"the presenter", when("request.auth.presenter", exact("app")), request("GET /x", token(map[string]any{"azp": "app"})), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newAuthorizer(t, authz.Config{Policies: []authz.Policy{allow(c.rule)}}).Decide(c.r)
			require.Equal(t, c.want, d.Allowed, d)
			d = newAuthorizer(t, authz.Config{Policies: []authz.Policy{deny(c.rule)}}).Decide(c.r)
			require.Equal(t, c.want, !d.Allowed, d)
		})
	}
}

func TestTheFirstClientIsWhomTrustedProxiesSaw(t *testing.T) {
	rule := from(authz.Source{Remotes: nets("192.0.2.0/24")})
	for _, c := range []struct {
		name  string
		hops  int
		lines []string
		want  bool
	}{
		{"nobody is trusted", 0, []string{"192.0.2.1"}, false},
		{"one proxy saw it", 1, []string{"192.0.2.1"}, true},
		{"the caller wrote it, and the proxy the caller's", 1, []string{"192.0.2.1, 198.51.100.1"}, false},
		{"the proxy wrote a line of its own", 1, []string{"192.0.2.1", "198.51.100.1"}, false},
		{"two proxies", 2, []string{"203.0.113.9,192.0.2.1 , 198.51.100.1"}, true},
		{"two proxies on two lines", 2, []string{"203.0.113.9,192.0.2.1", "198.51.100.1"}, true},
		{"fewer than proxies", 2, []string{"192.0.2.1"}, false},
		{"no address", 1, []string{"192.0.2.1, unknown"}, false},
		{"nothing after the comma", 1, []string{"192.0.2.1,"}, false},
		{"with a port", 1, []string{"192.0.2.1:80"}, false},
		{"written as IPv6", 1, []string{"::ffff:192.0.2.1"}, true},
		{"no header", 1, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAuthorizer(t, authz.Config{Policies: []authz.Policy{allow(rule)}, TrustedHops: c.hops})
			require.Equal(t, c.want, a.Decide(request("GET /x", withHeader("X-Forwarded-For", c.lines...))).Allowed)
		})
	}
	a := newAuthorizer(t, authz.Config{Policies: []authz.Policy{allow(rule)}, TrustedHops: 1})
	require.True(t, a.Decide(request("GET /x", remote("192.0.2.7:1"))).Allowed, "without the header it is the peer")
}

func TestDryRunsAreCounted(t *testing.T) {
	x, y := to(authz.Operation{Paths: exact("/x")}), to(authz.Operation{Paths: exact("/y")})
	dry := func(p authz.Policy) authz.Policy { p.DryRun = true; return p }
	for _, c := range []struct {
		name     string
		policies []authz.Policy
		want     authz.Stats // of a request for /x
	}{
		{"a refusal", []authz.Policy{dry(deny(x))}, authz.Stats{Allowed: 1, WouldDeny: 1}},
		{"a refusal of others", []authz.Policy{dry(deny(y))}, authz.Stats{Allowed: 1}},
		{"the first permission shuts others out", []authz.Policy{dry(allow(y))}, authz.Stats{Allowed: 1, WouldDeny: 1}},
		{"a further permission shuts nobody out", []authz.Policy{allow(x), dry(allow(y))}, authz.Stats{Allowed: 1}},
		{"a permission", []authz.Policy{allow(y), dry(allow(x))}, authz.Stats{Denied: 1, WouldAllow: 1}},
		{"a permission and a refusal", []authz.Policy{allow(y), dry(allow(x)), dry(deny(x))}, authz.Stats{Denied: 1}},
		{"an audit", []authz.Policy{{Action: authz.Audit, Rules: []authz.Rule{x}}}, authz.Stats{Allowed: 1, Audited: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAuthorizer(t, authz.Config{Policies: c.policies})
			a.Decide(request("GET /x"))
			require.Equal(t, c.want, a.Stats())
		})
	}
}
