package match_test

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/peer"
	"github.com/sidecarless/mesh/match"
)

// The oracle is Istio's documentation of routing by claims and Envoy's matcher of
// metadata: a text that fits, or a list with one that does.
func TestClaimsOfAVerifiedToken(t *testing.T) {
	claims := map[string]any{
		"sub": "me", "level": float64(3), "admin": true, "groups": []any{"a", "b", float64(1)}, "empty": []any{},
		"org": map[string]any{"id": "7", "Unit": "x"}, "a.b": "dotted", "none": "",
	}
	const is = "@request.auth.claims"
	for _, c := range []struct {
		name, claim string
		value       match.Value
		with, gone  bool // whether Headers and Without hold
	}{
		{"a text", is + "[sub]", match.Exact("me"), true, false},
		{"another text", is + "[sub]", match.Exact("you"), false, true},
		{"with a dot", is + ".sub", match.Exact("me"), true, false},
		{"in upper case before the claim", "@Request.Auth.Claims[sub]", match.Exact("me"), true, false},
		{"a claim in another case", is + "[SUB]", match.Exact("me"), false, true},
		{"the beginning", is + "[sub]", match.Prefix("m"), true, false},
		{"an expression", is + "[sub]", match.Regex("m."), true, false},
		{"one of a list", is + "[groups]", match.Exact("b"), true, false},
		{"none of a list", is + "[groups]", match.Exact("c"), false, true},
		{"a number in a list", is + "[groups]", match.Exact("1"), false, true},
		{"an empty list", is + "[empty]", match.Present(), false, true},
		{"a number", is + "[level]", match.Exact("3"), false, true},
		{"a truth value", is + "[admin]", match.Exact("true"), false, true},
		{"inside of an object", is + "[org][id]", match.Exact("7"), true, false},
		{"inside of an object, with dots", is + ".org.id", match.Exact("7"), true, false},
		{"inside of an object in another case", is + "[org][unit]", match.Exact("x"), false, true},
		{"an object", is + "[org]", match.Present(), false, true},
		{"inside of a text", is + "[sub][id]", match.Present(), false, true},
		{"a name with a dot in brackets", is + "[a.b]", match.Exact("dotted"), true, false},
		{"that is there", is + "[sub]", match.Value{}, true, false},
		{"that is not there", is + "[nobody]", match.Value{}, false, true},
		{"an empty text", is + "[none]", match.Exact(""), true, false},
		{"an empty text that is not there", is + "[nobody]", match.Exact(""), false, true},
		{"not a text", is + "[sub]", match.Exact("you").Not(), true, false},
		{"not a text, of one that is not there", is + "[nobody]", match.Exact("you").Not(), false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["@request.auth.claims[nobody]"] = []string{"", "me"} // that no server would read
			r = r.WithContext(peer.WithClaims(r.Context(), claims))
			field := []match.Field{{Name: c.claim, Value: c.value}}
			for _, one := range []struct {
				request match.Request
				want    bool
			}{{match.Request{Headers: field}, c.with}, {match.Request{Without: field}, c.gone}} {
				m, err := match.New(one.request)
				require.NoError(t, err)
				require.Equal(t, one.want, m.Match(r))
				require.Equal(t, one.want, one.request.Explain(r) == "")
			}
		})
	}
}

func TestNamesThatAreNoClaims(t *testing.T) {
	for _, name := range []string{
		"@request.auth.claims", "@request.auth.claims.", "@request.auth.claims[]", "@request.auth.claims[a", "@request.auth.claims.a..b",
		"@request.auth.claims[a][]", "@request.auth.claimsx", "@request.auth.principal", "@",
	} {
		require.Error(t, match.Request{Headers: []match.Field{{Name: name}}}.Validate(), name)
	}
}

func TestClaimsOfDifferentCaseDoNotCoverEachOther(t *testing.T) {
	of := func(name string) match.Request {
		return match.Request{Headers: []match.Field{{Name: name, Value: match.Exact("x")}}}
	}
	require.True(t, of("@request.auth.claims[a]").Covers(of("@request.auth.claims[a]")))
	require.False(t, of("@request.auth.claims[a]").Covers(of("@request.auth.claims[A]")))
	require.True(t, of("X-A").Covers(of("x-a")))
}
