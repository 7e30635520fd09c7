package istio

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rateLimit is one whose only rule goes on with the lines given, the first of
// which is line 7.
func rateLimit(lines string) string {
	return `apiVersion: mesh.sidecarless.dev/v1alpha1
kind: RateLimit
metadata: {name: a, namespace: shop}
spec:
  rules:
  - tokenBucket: {maxTokens: 5, tokensPerFill: 2, fillInterval: 200ms}
` + lines
}

func TestARateLimitIsReadWhole(t *testing.T) {
	c := parse(t, `apiVersion: mesh.sidecarless.dev/v1alpha1
kind: RateLimit
metadata: {name: a, namespace: shop}
spec:
  selector: {matchLabels: {app: reviews}}
  rules:
  - name: per-user
    key: {header: X-User}
    maxKeys: 100
    tokenBucket: {maxTokens: 20, tokensPerFill: 10, fillInterval: 1s}
    exempt:
    - {path: /healthz, method: GET}
    - {headers: {X-Load-Test: "*"}}
    status: 503
    headers: {X-Local-Rate-Limit: "true"}
    rateLimitHeaders: true
    resourceExhausted: true
    dryRun: true
  - key: {identity: {}}
    tokenBucket: {maxTokens: 1, fillInterval: 1m}
  - key: {address: {}}
    tokenBucket: {maxTokens: 1, fillInterval: 1m}
  - key: {paths: ["/users/{*}/orders", "/users/{**}"]}
    tokenBucket: {maxTokens: 1, fillInterval: 1m}
`)
	require.Len(t, c.RateLimits(), 1)
	spec := c.RateLimits()[0].Spec
	require.Equal(t, map[string]string{"app": "reviews"}, spec.Selector.MatchLabels)
	require.Equal(t, RateLimitRule{
		Name: "per-user", Key: &RateLimitKey{Header: "X-User"}, MaxKeys: 100,
		TokenBucket: TokenBucket{MaxTokens: 20, TokensPerFill: 10, FillInterval: "1s"},
		Exempt:      []Exemption{{Method: "GET", Path: "/healthz"}, {Headers: map[string]string{"X-Load-Test": "*"}}},
		Status:      503, Headers: map[string]string{"X-Local-Rate-Limit": "true"},
		RateLimitHeaders: true, ResourceExhausted: true, DryRun: true,
	}, spec.Rules[0])
	first, err := spec.Rules[0].limiter()
	require.NoError(t, err)
	require.Equal(t, 10.0, first.Rate)
	require.Equal(t, 20, first.Burst)
	require.Equal(t, 100, first.MaxKeys)
	second, err := spec.Rules[1].limiter()
	require.NoError(t, err)
	require.Equal(t, 1.0/60, second.Rate, "one token each interval, as with Envoy")
}

func TestBadRateLimits(t *testing.T) {
	const at = " RateLimit shop/a: spec.rules[0]."
	rule := func(name, lines string, want ...string) badDocument {
		for i, w := range want {
			want[i] = strings.Replace(w, ": ", ":"+at, 1)
		}
		return badDocument{name, rateLimit(lines), want}
	}
	bucket := func(name, text string, want ...string) badDocument {
		doc := rule(name, "", want...)
		doc.doc = strings.Replace(doc.doc, "{maxTokens: 5, tokensPerFill: 2, fillInterval: 200ms}", text, 1)
		return doc
	}
	spec := func(name, text string, want ...string) badDocument {
		doc, _, _ := strings.Cut(rateLimit(""), "  rules:")
		return badDocument{name, doc + text, want}
	}
	checkBad(t, []badDocument{
		bucket("no tokens", "{tokensPerFill: 2, fillInterval: 1s}", "mesh.yaml:6: tokenBucket.maxTokens: must be at least 1 (got 0)"),
		bucket("no interval", "{maxTokens: 2}", "mesh.yaml:6: tokenBucket.fillInterval: is missing"),
		bucket("an interval that Envoy refuses", "{maxTokens: 2, fillInterval: 49ms}", `mesh.yaml:6: tokenBucket.fillInterval: must be at least 50ms (got "49ms")`),
		bucket("no duration", "{maxTokens: 2, fillInterval: soon}", `mesh.yaml:6: tokenBucket.fillInterval: is no duration: write it like 10s, 250ms or 1m30s (got "soon")`),
		bucket("fewer than no tokens", "{maxTokens: 2, tokensPerFill: -1, fillInterval: 1s}", "mesh.yaml:6: tokenBucket.tokensPerFill: must not be negative (got -1)"),
		bucket("tokens as text", `{maxTokens: "2", fillInterval: 1s}`, `mesh.yaml:6: tokenBucket.maxTokens: must be a whole number (got 2)`),
		bucket("Envoy's own spelling", "{max_tokens: 2, fillInterval: 1s}", "mesh.yaml:6: tokenBucket.max_tokens: there is no such field; did you mean maxTokens?", "mesh.yaml:6: tokenBucket.maxTokens: must be at least 1 (got 0)"),
		rule("a key of two sorts", "    key: {header: X-User, identity: {}}\n", "mesh.yaml:7: key: needs exactly one of header, identity, address and paths"),
		rule("a key of no sort", "    key: {}\n", "mesh.yaml:7: key: needs exactly one of header, identity, address and paths"),
		rule("a key with something in it", "    key: {identity: {name: a}}\n",
			"mesh.yaml:7: key.identity.name: there is no such field"),
		rule("a key that is a word", "    key: identity\n", "mesh.yaml:7: key: must be a mapping of fields, not a string"),
		rule("a header that is none", "    key: {header: 'X User'}\n", `mesh.yaml:7: key.header: must be the name of a header, of letters, digits, - and _ (got "X User")`),
		rule("a template that is none", "    key:\n      paths:\n      - /a\n      - users/{*}\n", `mesh.yaml:10: key.paths[1]: a template begins with a slash (got "users/{*}")`),
		rule("keys without a key", "    maxKeys: 10\n", "mesh.yaml:7: maxKeys: stands without a key; one bucket needs no bound (got 10)"),
		rule("fewer than no keys", "    maxKeys: -1\n", "mesh.yaml:7: maxKeys: must not be negative (got -1)"),
		rule("a status that is no refusal", "    status: 200\n", "mesh.yaml:7: status: must be 400 to 599, since the request is refused (got 200)"),
		rule("an exemption for all", "    exempt:\n    - {path: /healthz}\n    - {}\n", "mesh.yaml:9: exempt[1]: is empty: it would exempt all requests"),
		rule("an exemption for no path", "    exempt:\n    - {path: healthz}\n", `mesh.yaml:8: exempt[0].path: must be a path, with a star at one end at most, or a template such as /users/{*} (got "healthz")`),
		rule("an exemption for a header that is none", "    exempt:\n    - {headers: {a b: c}}\n", `mesh.yaml:8: exempt[0].headers[a b]: must be the name of a header, of letters, digits, - and _ (got "a b")`),
		rule("a header of two lines", "    headers: {a: \"b\\r\\nc: d\"}\n", `mesh.yaml:7: headers[a]: must be one line (got "b\r\nc: d")`),
		rule("a field of somebody else's", "    match: {path: /}\n", "mesh.yaml:7: match: there is no such field; there are dryRun, exempt, headers, key, maxKeys, name, rateLimitHeaders, resourceExhausted, status and tokenBucket"),
		spec("no rules", "  rules: []\n", "mesh.yaml:5: RateLimit shop/a: spec.rules: is missing: a RateLimit without rules limits nothing"),
		spec("a wildcard in a selector", "  selector: {matchLabels: {app: 'a*'}}\n  rules: [{tokenBucket: {maxTokens: 1, fillInterval: 1s}}]\n",
			`mesh.yaml:5: RateLimit shop/a: spec.selector.matchLabels[app]: a selector knows no wildcards: it compares names and values as they stand (got "a*")`),
		spec("two rules of a name", "  rules:\n  - {name: a, tokenBucket: {maxTokens: 1, fillInterval: 1s}}\n  - {name: a, tokenBucket: {maxTokens: 1, fillInterval: 1s}}\n",
			`mesh.yaml:7: RateLimit shop/a: spec.rules[1].name: is the name of rules[0], too (got "a")`),
		{"no spec", "apiVersion: mesh.sidecarless.dev/v1alpha1\nkind: RateLimit\nmetadata: {name: a}\n", []string{"mesh.yaml:1: RateLimit default/a: spec.rules: is missing: a RateLimit without rules limits nothing"}},
		{"fields beside the spec", rateLimit("rules: []\n"), []string{"mesh.yaml:7: RateLimit shop/a: rules: there is no such field at the top of an object; the settings stand under spec"}},
		{"another version", strings.Replace(rateLimit(""), "v1alpha1", "v1", 1), []string{"mesh.yaml:1: RateLimit shop/a: apiVersion: there is no version v1 of this kind; there are v1alpha1"}},
		{"a misspelt kind", strings.Replace(rateLimit(""), "RateLimit", "Ratelimit", 1), []string{"mesh.yaml:1: Ratelimit shop/a: kind: there is no such kind in mesh.sidecarless.dev; did you mean RateLimit?"}},
		{"the group of Istio", strings.Replace(rateLimit(""), "mesh.sidecarless.dev/v1alpha1", "networking.istio.io/v1", 1), []string{"mesh.yaml:1: RateLimit shop/a: apiVersion: this kind is of the group mesh.sidecarless.dev, not networking.istio.io"}},
	})
}

// Others have kinds of that name, too, and those are theirs.
func TestARateLimitOfAnotherGroupIsSkipped(t *testing.T) {
	c := parse(t, strings.Replace(rateLimit(""), "mesh.sidecarless.dev/v1alpha1", "kuadrant.io/v1", 1))
	require.Empty(t, c.RateLimits())
}
