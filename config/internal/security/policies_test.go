package security_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/config/internal/security"
	"github.com/sidecarless/mesh/internal/peer"
)

var workload = security.Workload{Namespace: "shop", Labels: map[string]string{"app": "a"}}

func policies(t *testing.T, documents string, o security.Options) *authz.Authorizer {
	t.Helper()
	c, err := worldOf(t, documents).Policies(workload, o)
	require.NoError(t, err)
	a, err := authz.New(c)
	require.NoError(t, err)
	return a
}

func TestPoliciesOfAWorkload(t *testing.T) {
	denyAll := "action: DENY\nrules: [{}]"
	for _, c := range []struct {
		name, namespace, spec string
		applies               bool
	}{
		{"its namespace", "shop", denyAll, true},
		{"another namespace", "other", denyAll, false},
		{"the root namespace", "istio-system", denyAll, true},
		{"its labels", "shop", denyAll + "\nselector: {matchLabels: {app: a}}", true},
		{"other labels", "shop", denyAll + "\nselector: {matchLabels: {app: b}}", false},
		{"a label more", "shop", denyAll + "\nselector: {matchLabels: {app: a, version: v1}}", false},
		{"its labels from the root namespace", "istio-system", denyAll + "\nselector: {matchLabels: {app: a}}", true},
		{"its labels from another namespace", "other", denyAll + "\nselector: {matchLabels: {app: a}}", false},
		{"a gateway", "shop", denyAll + "\ntargetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := policies(t, document("AuthorizationPolicy", c.namespace, "p", c.spec), security.Options{})
			d := a.Decide(httptest.NewRequest("GET", "/", nil))
			require.Equal(t, c.applies, !d.Allowed)
			if c.applies {
				require.Equal(t, "rbac_access_denied_matched_policy[ns["+c.namespace+"]-policy[p]-rule[0]]", d.Details())
			}
		})
	}
}

// One value each, in a policy of namespace shop in a mesh named new.td, once old.td.
func TestValues(t *testing.T) {
	id := "new.td/ns/shop/sa/a"
	jwt := func(iss, sub string) map[string]any { return map[string]any{"iss": iss, "sub": sub} }
	source := func(s string) string { return "from: [{source: {" + s + "}}]" }
	to := func(s string) string { return "to: [{operation: {" + s + "}}]" }
	when := func(key, values string) string { return "when: [{key: '" + key + "', values: [" + values + "]}]" }
	type request struct {
		target, host, peer string
		claims             map[string]any
	}
	for _, c := range []struct {
		rule string
		yes  []request
		no   []request
	}{
		{source("principals: [cluster.local/ns/shop/sa/a]"), []request{{peer: id}, {peer: "old.td/ns/shop/sa/a"}}, []request{{peer: "cluster.local/ns/shop/sa/a"}, {peer: "x.td/ns/shop/sa/a"}}},
		{source("principals: [old.td/ns/shop/sa/a]"), []request{{peer: id}, {peer: "old.td/ns/shop/sa/a"}}, nil},
		{source("principals: [x.td/ns/shop/sa/a]"), []request{{peer: "x.td/ns/shop/sa/a"}}, []request{{peer: id}}},
		{source("principals: [old.td/ns/shop/sa/*]"), []request{{peer: "new.td/ns/shop/sa/b"}}, []request{{peer: "new.td/ns/jobs/sa/b"}}},
		{source("principals: [old.td/ns/*]"), []request{{peer: "old.td/ns/shop/sa/a"}}, []request{{peer: id}}}, // not of five parts
		{source("principals: ['*/sa/a']"), []request{{peer: id}}, []request{{peer: id + "b"}, {}}},
		{source("principals: ['*']"), []request{{peer: id}}, []request{{}}},
		{source("namespaces: [shop]"), []request{{peer: id}, {peer: "x/ns/shop/sa/b"}}, []request{{peer: "x/ns/shops/sa/b"}}},
		{source("namespaces: ['s*p']"), []request{{peer: id}, {peer: "x/ns/sp/sa/b"}}, []request{{peer: "x/ns/shops/sa/b"}, {}}},
		{source("namespaces: ['*a']"), []request{{peer: "x/ns/a/sa/b"}}, []request{{peer: id}}}, // by its own end, not that of /sa/
		{source("namespaces: ['*']"), []request{{peer: id}}, []request{{}}},
		{source("serviceAccounts: [a, jobs/b]"), []request{{peer: id}, {peer: "x.td/ns/jobs/sa/b"}}, []request{{peer: "new.td/ns/jobs/sa/a"}, {peer: "new.td/ns/shop/sa/b"}}},
		{source("trustDomains: [old.td]"), []request{{peer: id}, {peer: "old.td/ns/a/sa/b"}}, []request{{peer: "x.td/ns/a/sa/b"}}},
		{source("trustDomains: ['*.td']"), []request{{peer: id}}, []request{{peer: "td/ns/a/sa/b"}, {}}},
		{source("requestPrincipals: ['https://idp/x/me']"), []request{{claims: jwt("https://idp/x", "me")}}, []request{{claims: jwt("https://idp", "x/me")}, {}}},
		{source("requestPrincipals: ['https://idp/*']"), []request{{claims: jwt("https://idp", "me")}, {claims: jwt("https://idp", "a/b")}}, []request{{claims: jwt("https://idp/evil", "me")}}},
		{source("requestPrincipals: ['*/me']"), []request{{claims: jwt("https://idp", "me")}}, []request{{claims: jwt("https://idp", "x/me")}}},
		{source("requestPrincipals: ['*@a.example']"), []request{{claims: jwt("x", "me@a.example")}}, []request{{claims: jwt("@a.example", "me")}}},
		{source("requestPrincipals: ['idp*']"), []request{{claims: jwt("idp2", "me")}}, []request{{claims: jwt("x", "idp")}}},
		{source("requestPrincipals: ['*']"), []request{{claims: jwt("a", "b/c")}}, []request{{claims: map[string]any{"iss": "a"}}, {}}},
		{source("remoteIpBlocks: [192.0.2.1]"), []request{{}}, nil},
		{source("ipBlocks: [192.0.2.77/24]"), []request{{}}, nil}, // host bits
		{source("notIpBlocks: ['2001:db8::1']"), []request{{}}, nil},

		{to("paths: [/a]"), []request{{target: "/a?b"}}, []request{{target: "/a/"}, {target: "/A"}}},
		{to("paths: ['/a/{*}/c']"), []request{{target: "/a/b/c"}}, []request{{target: "/a//c"}, {target: "/a/b/b/c"}}},
		{to("paths: ['/a/{**}']"), []request{{target: "/a/"}, {target: "/a/b/c"}}, []request{{target: "/a"}}},
		{to("paths: ['a*b']"), nil, []request{{target: "/ab"}, {target: "/a"}}}, // a star inside is one
		{to("notPaths: ['/a*']"), []request{{target: "/b"}}, []request{{target: "/a"}}},
		{to("hosts: ['*.a.example']"), []request{{host: "x.A.example"}}, []request{{host: "a.example"}, {host: "x.a.example:80"}}},
		{to("methods: ['G*']"), []request{{}}, nil},
		{to("methods: [get]"), nil, []request{{}}},
		{to("ports: ['8080']"), []request{{}}, nil},
		{to("notPorts: ['8080']"), nil, []request{{}}},

		{when("source.principal", "old.td/ns/shop/sa/a"), []request{{peer: id}}, []request{{}}},
		{when("source.namespace", "'sh*'"), []request{{peer: id}}, []request{{}}},
		{when("source.serviceAccount", "a"), []request{{peer: id}}, []request{{peer: "new.td/ns/jobs/sa/a"}}},
		{when("source.trustDomain", "old.td"), []request{{peer: id}}, []request{{peer: "x.td/ns/a/sa/b"}}},
		{when("source.ip", "192.0.2.0/24"), []request{{}}, nil},
		{when("destination.ip", "10.0.0.1"), []request{{}}, nil},
		{when("destination.port", "'08080'"), []request{{}}, nil},
		{when("request.headers[X-A]", "'v*'"), []request{{}}, nil},
		{when("request.headers[:authority]", "a.example"), []request{{host: "a.example"}}, []request{{host: "A.example"}}},
		{when("request.headers[x-b]", "'*'"), nil, []request{{}}},
		{when("request.auth.principal", "'idp/*'"), []request{{claims: jwt("idp", "me")}}, []request{{}}},
		{when("request.auth.claims[a][b]", "'*'"), []request{{claims: map[string]any{"a": map[string]any{"b": "c"}}}}, []request{{claims: map[string]any{"a": map[string]any{"b": ""}}}, {}}},
		{when("request.auth.audiences", "'b*'"), []request{{claims: map[string]any{"aud": []any{"a", "bc"}}}}, []request{{}}},
		{when("request.auth.presenter", "app"), []request{{claims: map[string]any{"azp": "app"}}}, []request{{}}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			a := policies(t, document("AuthorizationPolicy", "shop", "p", "rules: [{"+c.rule+"}]"), security.Options{TrustDomains: []string{"new.td", "old.td"}})
			decide := func(q request) bool {
				r := at8080(httptest.NewRequest("GET", or(q.target, "/"), nil))
				r.Host = or(q.host, r.Host)
				r.Header.Set("x-a", "v1")
				if q.peer != "" {
					r = r.WithContext(peer.With(r.Context(), q.peer))
				}
				return a.Decide(r.WithContext(authz.WithClaims(r.Context(), q.claims))).Allowed
			}
			for _, q := range c.yes {
				require.True(t, decide(q), "%+v", q)
			}
			for _, q := range c.no {
				require.False(t, decide(q), "%+v", q)
			}
		})
	}
}

func TestCustomNeedsItsProvider(t *testing.T) {
	ask := func(name, provider string) string {
		return document("AuthorizationPolicy", "shop", name, "action: CUSTOM\nprovider: {name: "+provider+"}\nrules: [{to: [{operation: {paths: [/"+name+"]}}]}]")
	}
	no := func(*http.Request) (authz.Answer, error) { return authz.Answer{}, nil }
	both := security.Options{Providers: map[string]security.Provider{"one": no, "two": no}}
	_, err := worldOf(t, ask("p", "one")).Policies(workload, security.Options{})
	require.ErrorContains(t, err, `spec.provider.name: is a provider that the server does not have (got "one")`)
	_, err = worldOf(t, ask("p", "one")+ask("q", "two")).Policies(workload, both)
	require.ErrorContains(t, err, "is another provider than that of an older policy")

	a := policies(t, ask("p", "one")+ask("q", "one"), both)
	for path, allowed := range map[string]bool{"/p": false, "/q": false, "/r": true} {
		require.Equal(t, allowed, a.Decide(httptest.NewRequest("GET", path, nil)).Allowed, path)
	}
}

func TestWhatCannotBeCarriedOutIsRefused(t *testing.T) {
	w := worldOf(t, document("AuthorizationPolicy", "shop", "p", "rules: [{when: [{key: 'experimental.envoy.filters.a[b]', values: [c]}]}]"))
	_, err := w.Policies(workload, security.Options{})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Source+" "+p.Field)
	}
	require.Equal(t, []string{"p Rules[0].When[0].Key"}, fields)
}

func TestDryRunsDecideNothing(t *testing.T) {
	w := worldOf(t, document("AuthorizationPolicy", "shop", "p", "action: DENY\nrules: [{}]"))
	w.AuthorizationPolicies[0].Annotations = map[string]string{"istio.io/dry-run": "true"}
	c, err := w.Policies(workload, security.Options{})
	require.NoError(t, err)
	require.True(t, c.Policies[0].DryRun)
}
