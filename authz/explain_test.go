package authz_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/authz"
)

func TestAnExplanationTellsEveryPolicyOnTheWay(t *testing.T) {
	dry := deny(authz.Rule{})
	dry.Name, dry.DryRun = "trial", true
	a := newAuthorizer(t, authz.Config{Policies: []authz.Policy{
		allow(
			authz.Rule{From: []authz.Source{{Principals: exact(batch)}, {Namespaces: exact("jobs")}}},
			to(authz.Operation{Methods: exact("POST")}),
			authz.Rule{To: []authz.Operation{{Methods: exact("GET")}}, When: []authz.Condition{{Key: "request.headers[x-a]", Values: exact("1")}}},
			to(authz.Operation{Paths: exact("/x")}),
		),
		dry,
		deny(from(authz.Source{Principals: notExact(frontend)})),
	}})
	d, steps := a.Explain(request("GET /x", by(frontend)))
	require.Equal(t, authz.Decision{Allowed: true, Policy: "allow", Rule: 3}, d)
	require.Equal(t, []authz.Step{
		{Policy: "trial", Action: authz.Deny, DryRun: true, Reasons: nil},
		{Policy: "deny", Action: authz.Deny, Rule: -1, Reasons: []string{
			`from[0]: the principal "cluster.local/ns/shop/sa/frontend" is one of those that are kept out`,
		}},
		{Policy: "allow", Rule: 3, Reasons: []string{
			`from[0]: the principal "cluster.local/ns/shop/sa/frontend" is none of those that are asked for; ` +
				`from[1]: the caller's namespace "shop" is none of those that are asked for`,
			`to[0]: the method "GET" is none of those that are asked for`,
			`when: the header X-A is not there`,
		}},
	}, steps)
	require.Zero(t, a.Stats(), "nothing is counted")

	d, steps = a.Explain(request("GET /x", by(batch)))
	require.Equal(t, authz.Decision{Action: authz.Deny, Policy: "deny"}, d)
	require.Len(t, steps, 2, "nothing is asked after a refusal")

	d, steps = a.Explain(request("GET /a%00b"))
	require.Equal(t, "path_normalization_failed", d.Details())
	require.Empty(t, steps)
}

func TestReasonsTellWhatTheRequestHas(t *testing.T) {
	one := exact("1")
	for _, c := range []struct {
		rule authz.Rule
		want string
	}{
		{from(authz.Source{ServiceAccounts: one}), `from[0]: the service account "shop/frontend" is none of those that are asked for`},
		{from(authz.Source{TrustDomains: one}), `from[0]: the trust domain "cluster.local" is none of those that are asked for`},
		{from(authz.Source{RequestPrincipals: one}), `from[0]: the token's principal "iss/me" is none of those that are asked for`},
		{from(authz.Source{Peers: nets("192.0.2.0/24")}), `from[0]: the address of the connection 10.1.2.3 is none of those that are asked for`},
		{from(authz.Source{Remotes: authz.Nets{NotIn: nets("10.0.0.0/8").In}}), `from[0]: the address of the first client 10.1.2.3 is one of those that are kept out`},
		{to(authz.Operation{Hosts: one}), `to[0]: the host "example.com" is none of those that are asked for`},
		{to(authz.Operation{Ports: authz.Ports{In: []uint16{1}}}), `to[0]: the port 8080 is none of those that are asked for`},
		{to(authz.Operation{Paths: one}), `to[0]: the path "/x" is none of those that are asked for`},
		{when("destination.port", one), `when: the port 8080 is none of those that are asked for`},
		{when("connection.sni", one), `when: the server's name in TLS is not there`},
		{when("request.headers[:path]", one), `when: the header :path "/x?q" is none of those that are asked for`},
		{when("request.headers[x-b]", one), `when: the header X-B "2", "3" is none of those that are asked for`},
		{when("request.auth.claims[a][b]", one), `when: the claim a.b "[x y]" is none of those that are asked for`},
		{when("request.auth.claims[a][c]", one), `when: the claim a.c is not there`},
		{whenNet("destination.ip", nets("192.0.2.0/24")), `when: the address of this server 10.0.0.1 is none of those that are asked for`},
	} {
		a := newAuthorizer(t, authz.Config{Policies: []authz.Policy{allow(c.rule)}})
		r := request("GET /x?q", by(frontend), withHeader("X-B", "2", "3"), token(map[string]any{
			"iss": "iss", "sub": "me", "a": map[string]any{"b": []any{"x", "y"}},
		}))
		d, steps := a.Explain(r)
		require.False(t, d.Allowed)
		require.Equal(t, []string{c.want}, steps[0].Reasons)
	}
}
