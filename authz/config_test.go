package authz_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/match"
)

func TestAllProblemsAreReportedWithTheirFields(t *testing.T) {
	bad := authz.Set{In: []match.Value{match.Exact("a"), match.Regex("(")}}
	_, err := authz.New(authz.Config{
		TrustedHops: -1, Paths: match.PathBase, RawPaths: true,
		Policies: []authz.Policy{
			{Action: 9},
			{Action: authz.Custom, Name: "ask"},
			{Rules: []authz.Rule{{}, {
				From: []authz.Source{{Principals: bad, Peers: authz.Nets{NotIn: []netip.Prefix{{}}}}},
				To:   []authz.Operation{{Paths: authz.Set{NotIn: bad.In}}, {Hosts: bad}},
				When: []authz.Condition{
					{Key: "source.ip", Values: exact("10.0.0.1")}, {Key: "source.principal"}, {Key: "request.headers[a b]", Values: exact("x")},
					{Key: "request.headers[a", Values: exact("x")}, {Key: "request.headers", Values: exact("x")}, {Key: "request.auth.claims[a]b", Values: exact("x")},
					{Key: "source.color", Values: exact("x")}, {Key: "request.headers[]", Values: exact("x")},
				},
			}}},
		},
	})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	rule := "authz.Policies[2].Rules[1]."
	require.Equal(t, []string{
		"authz.RawPaths", "authz.TrustedHops", "authz.Policies[0].Action", "authz.Ask",
		rule + "From[0].Principals.In[1]", rule + "From[0].Peers.NotIn[0]", rule + "To[0].Paths.NotIn[1]", rule + "To[1].Hosts.In[1]",
		rule + "When[0].Nets", rule + "When[1].Values", rule + "When[2].Key", rule + "When[3].Key", rule + "When[4].Key", rule + "When[5].Key",
		rule + "When[6].Key", rule + "When[7].Key",
	}, fields)
}

func TestABadUpdateChangesNothing(t *testing.T) {
	a := newAuthorizer(t, authz.Config{Policies: []authz.Policy{allow()}})
	require.Error(t, a.Update(authz.Config{Policies: []authz.Policy{{Action: 9}}}))
	require.False(t, a.Decide(request("GET /x")).Allowed)
	require.NoError(t, a.Update(authz.Config{}))
	require.True(t, a.Decide(request("GET /x")).Allowed)
	require.Equal(t, authz.Stats{Allowed: 1, Denied: 1}, a.Stats(), "counts go on")
}

func TestCustomDecisions(t *testing.T) {
	ask := authz.Policy{Name: "ask", Action: authz.Custom, Rules: []authz.Rule{to(authz.Operation{Paths: exact("/ask")})}}
	login := &mesh.Error{Op: "login", Status: http.StatusFound, Header: http.Header{"Location": {"/login"}}}
	for _, c := range []struct {
		name    string
		line    string
		say     bool
		err     error
		others  []authz.Policy
		status  int
		body    string
		details string
	}{
		{"yes", "GET /ask", true, nil, nil, 200, "", ""},
		{"no", "GET /ask", false, nil, nil, 403, "", "ext_authz_denied"},
		{"cannot tell", "GET /ask", true, errors.New("down"), nil, 403, "", "ext_authz_error"},
		{"with a reply of its own", "GET /ask", false, login, nil, 302, "", "ext_authz_error"},
		{"not asked", "GET /other", false, nil, nil, 200, "", ""},
		{"yes, but refused by another policy", "GET /ask", true, nil, []authz.Policy{deny(authz.Rule{})}, 403, "RBAC: access denied", "rbac_access_denied_matched_policy[deny-rule[0]]"},
		{"no, though allowed by another policy", "GET /ask", false, nil, []authz.Policy{allow(authz.Rule{})}, 403, "", "ext_authz_denied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newAuthorizer(t, authz.Config{
				Policies: append(c.others, ask),
				Ask: func(_ *http.Request, policy string) (authz.Answer, error) {
					require.Equal(t, "ask", policy)
					return authz.Answer{Allowed: c.say}, c.err
				},
			})
			w := serve(a, request(c.line))
			require.Equal(t, c.status, w.Code)
			require.Equal(t, c.body, w.Body.String())
			if c.details != "" {
				require.Equal(t, c.details, a.Decide(request(c.line)).Details())
			}
		})
	}
}

func TestADecisionSaysWhatItIs(t *testing.T) {
	for _, c := range []struct {
		policies []authz.Policy
		line     string
		want     string
	}{
		{nil, "GET /x", "allowed: no policy says anything"},
		{[]authz.Policy{allow()}, "GET /x", "refused: no policy allows it"},
		{[]authz.Policy{deny(authz.Rule{})}, "GET /x", "refused by rule 0 of DENY policy deny"},
		{[]authz.Policy{allow(authz.Rule{})}, "GET /x", "allowed by rule 0 of ALLOW policy allow"},
		{nil, "GET /%00", "refused: authz: a path that cannot be made normal"},
	} {
		d := newAuthorizer(t, authz.Config{Policies: c.policies}).Decide(request(c.line))
		require.Equal(t, c.want, d.String())
	}
	require.Equal(t, "AUDIT CUSTOM unknown", authz.Audit.String()+" "+authz.Custom.String()+" "+authz.Action(9).String())
}

func TestACustomDecisionChangesRequestAndAnswer(t *testing.T) {
	ask := authz.Policy{Name: "ask", Action: authz.Custom, Rules: []authz.Rule{{}}}
	root := deny(when("request.headers[x-user]", exact("root")))
	for user, status := range map[string]int{"me": 200, "root": 403} {
		a := newAuthorizer(t, authz.Config{
			Policies: []authz.Policy{ask, root},
			Ask: func(r *http.Request, _ string) (authz.Answer, error) {
				require.Equal(t, "/b", r.RequestURI, "the normal path is asked about")
				other := r.Clone(r.Context())
				other.Header.Set("X-User", user)
				return authz.Answer{Allowed: true, Request: other, Reply: http.Header{"Set-Cookie": {"a=b"}, "X-Asked": {"yes"}}}, nil
			},
		})
		w := httptest.NewRecorder()
		r := request("GET /a/../b", withHeader("X-User", "nobody"))
		a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, "me /b", r.Header.Get("X-User")+" "+r.URL.Path)
			w.Header().Set("Set-Cookie", "c=d")
		})).ServeHTTP(w, r)
		require.Equal(t, status, w.Code)
		require.Equal(t, []string{"yes"}, w.Header()["X-Asked"], "also with a refusal of another policy")
		if status == 200 {
			require.Equal(t, []string{"c=d", "a=b"}, w.Header()["Set-Cookie"])
		}
		require.Equal(t, "nobody", r.Header.Get("X-User"))
	}
}
