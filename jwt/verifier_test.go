package jwt_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/jwt"
	"github.com/sidecarless/mesh/meshtest"
)

func TestGoodTokens(t *testing.T) {
	ec, rs, ps, ed := ecSigner("a"), rsaSigner("b", jose.RS256), rsaSigner("c", jose.PS384), edSigner("d")
	nameless := ecSigner("")
	secret := signer{[]byte("a secret of 32 bytes and no less"), "e", jose.HS256}
	rule := jwt.Rule{Issuer: idp, Audiences: []string{"shop", "other"}, KeySet: keySet(ec, rs, ps, ed, nameless, secret)}
	anyIssuer := jwt.Rule{KeySet: rule.KeySet}
	for _, c := range []struct {
		name string
		rule jwt.Rule
		r    *http.Request
	}{
		{"ECDSA", rule, request(bearer(ec.sign(fresh(nil))))},
		{"RSA", rule, request(bearer(rs.sign(fresh(nil))))},
		{"RSA-PSS", rule, request(bearer(ps.sign(fresh(nil))))},
		{"Ed25519", rule, request(bearer(ed.sign(fresh(nil))))},
		{"HMAC, with a secret in the set", rule, request(bearer(secret.sign(fresh(nil))))},
		{"no kid: every key is tried", rule, request(bearer(signer{ec.key, "", ec.alg}.sign(fresh(nil))))},
		{"a kid, and a key without one", rule, request(bearer(signer{nameless.key, "new", ec.alg}.sign(fresh(nil))))},
		{"one of several audiences", rule, request(bearer(ec.sign(fresh(claims{"aud": []string{"x", "other"}}))))},
		{"an audience with scheme and slash", rule, request(bearer(ec.sign(fresh(claims{"aud": "https://shop/"}))))},
		{"any audience", anyIssuer, request(bearer(ec.sign(fresh(claims{"aud": nil}))))},
		{"any issuer", anyIssuer, request(bearer(ec.sign(fresh(claims{"iss": "whoever"}))))},
		{"that never expires", rule, request(bearer(ec.sign(fresh(claims{"exp": nil}))))},
		{"expired, within the skew of clocks", rule, request(bearer(ec.sign(fresh(claims{"exp": time.Now().Unix() - 50}))))},
		{"not yet valid, within the skew of clocks", rule, request(bearer(ec.sign(fresh(claims{"nbf": time.Now().Unix() + 50}))))},
		{"in the query", rule, request(query("access_token=" + ec.sign(fresh(nil))))},
		{"behind more words of the header", rule, request(with("Authorization", "x Bearer   "+ec.sign(fresh(nil))))},
		{"twice the same", rule, request(bearer(ec.sign(fresh(nil))), query("access_token="+ec.sign(fresh(nil))))},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := verifier(t, c.rule)
			next, err := v.Verify(c.r)
			require.NoError(t, err)
			require.Equal(t, "me", jwt.Claims(next.Context())["sub"])
			require.Equal(t, jwt.Stats{Verified: 1}, v.Stats())
		})
	}
}

// Whether a token is needed is the business of policies.
func TestWithoutATokenARequestPassesWithoutClaims(t *testing.T) {
	key := ecSigner("a")
	rule := jwt.Rule{Issuer: idp, KeySet: keySet(key), PayloadHeader: "X-Claims", ClaimHeaders: []jwt.ClaimHeader{{Header: "x-sub", Claim: "sub"}}}
	preflight := request(bearer("nonsense"), with("Origin", "https://a.example"), with("Access-Control-Request-Method", "POST"))
	preflight.Method = http.MethodOptions
	for name, r := range map[string]*http.Request{
		"nothing":                      request(),
		"another scheme":               request(with("Authorization", "Basic bWU6eA==")),
		"the scheme in small letters":  request(with("Authorization", "bearer "+key.sign(fresh(nil)))),
		"a header that no rule names":  request(with("X-Token", key.sign(fresh(nil)))),
		"a cookie that no rule names":  request(with("Cookie", "access_token="+key.sign(fresh(nil)))),
		"a preflight, whatever it has": preflight,
	} {
		t.Run(name, func(t *testing.T) {
			r.Header.Set("X-Claims", "forged")
			r.Header.Set("X-Sub", "root")
			next, err := verifier(t, rule).Verify(r)
			require.NoError(t, err)
			require.Nil(t, jwt.Claims(next.Context()))
			require.Empty(t, next.Header["X-Claims"], "callers do not write it")
			require.Empty(t, next.Header["X-Sub"])
			require.Equal(t, "forged", r.Header.Get("X-Claims"), "the caller's request stays as it was")
		})
	}
}

func TestWhereTokensAreFound(t *testing.T) {
	key := ecSigner("a")
	token := key.sign(fresh(nil))
	rule := jwt.Rule{
		Issuer: idp, KeySet: keySet(key), Headers: []jwt.Header{{Name: "x-token"}, {Name: "x-jwt", Prefix: "jwt="}},
		Params: []string{"t"}, Cookies: []string{"session"},
	}
	for name, r := range map[string]*http.Request{
		"a header":               request(with("X-Token", token)),
		"a header with a prefix": request(with("X-Jwt", "jwt="+token)),
		"a parameter":            request(query("a=b&t=" + token)),
		"an escaped parameter":   request(query("%74=" + token)),
		"a cookie":               request(with("Cookie", "a=b; session="+token)),
		"a cookie in quotes":     request(with("Cookie", `session="`+token+`"`)),
	} {
		t.Run(name, func(t *testing.T) {
			next, err := verifier(t, rule).Verify(r)
			require.NoError(t, err)
			require.Equal(t, "me", jwt.Claims(next.Context())["sub"])
		})
	}
	next, err := verifier(t, rule).Verify(request(bearer("nonsense"), query("access_token=nonsense")))
	require.NoError(t, err, "the usual places are not looked at where others are named")
	require.Nil(t, jwt.Claims(next.Context()))
	next, err = verifier(t, rule).Verify(request(with("X-Jwt", ""), with("Cookie", "session")))
	require.NoError(t, err, "a header without the prefix, and a cookie without a value")
	require.Nil(t, jwt.Claims(next.Context()))
	for name, r := range map[string]*http.Request{
		"an empty header":    request(with("X-Token", "")),
		"a bare prefix":      request(with("X-Jwt", "jwt=")),
		"an empty parameter": request(query("t")),
		"an empty cookie":    request(with("Cookie", "session=")),
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, verifier(t, rule), r, 401, "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")
		})
	}
}

func TestWhatGoesOnToTheApplication(t *testing.T) {
	key := ecSigner("a")
	all := fresh(claims{
		"level": 7, "share": 0.25, "less": -3, "admin": true, "org": map[string]any{"unit": "x"}, "a.b": "dotted", "list": []string{"a"},
		"lines": "a\r\nX-Evil: b", "none": nil,
	})
	token := key.sign(all)
	rule := jwt.Rule{
		Issuer: idp, KeySet: keySet(key), Params: []string{"t"}, Headers: []jwt.Header{{Name: "X-Token"}}, Cookies: []string{"c"}, PayloadHeader: "x-claims",
	}
	for _, name := range []string{"sub", "level", "share", "less", "admin", "org", "org.unit", "a.b", "list", "lines", "none"} {
		rule.ClaimHeaders = append(rule.ClaimHeaders, jwt.ClaimHeader{Header: "x-out-" + name, Claim: name})
	}
	next, err := verifier(t, rule).Verify(request(with("X-Token", token), with("X-Out-Sub", "root"), with("X-Claims", "forged")))
	require.NoError(t, err)
	payload := token[len(token)-len(token[indexOf(token, '.'):])+1:]
	require.Equal(t, http.Header{
		"X-Claims": {payload[:indexOf(payload, '.')]}, "X-Out-Sub": {"me"}, "X-Out-Level": {"7"}, "X-Out-Share": {"0.250000"}, "X-Out-Less": {"-3.000000"},
		"X-Out-Admin": {"true"}, "X-Out-Org": {"eyJ1bml0IjoieCJ9"}, "X-Out-Org.unit": {"x"}, "X-Out-List": {"WyJhIl0="},
	}, next.Header)

	r := request(query("a=1&t=" + token + "&b=2&t"))
	next, err = verifier(t, jwt.Rule{Issuer: idp, KeySet: keySet(key), Params: []string{"u"}}).Verify(r)
	require.NoError(t, err)
	require.Same(t, r, next, "what has no token is not copied")

	r = request(query("b=%202&t=" + token + "&c&b=1&a=x"))
	next, err = verifier(t, rule).Verify(r)
	require.NoError(t, err)
	require.Equal(t, "a=x&b=%202&b=1&c=", next.URL.RawQuery, "in Envoy's order")
	require.Equal(t, "http://shop.example/cart?a=x&b=%202&b=1&c=", next.RequestURI)
	require.Contains(t, r.URL.RawQuery, token, "the caller's request stays as it was")

	next, err = verifier(t, rule).Verify(request(with("Cookie", "c="+token)))
	require.NoError(t, err)
	require.Contains(t, next.Header.Get("Cookie"), token, "cookies stay")

	rule.Forward = true
	next, err = verifier(t, rule).Verify(request(with("X-Token", token)))
	require.NoError(t, err)
	require.Equal(t, token, next.Header.Get("X-Token"))
}

func indexOf(s string, b byte) int {
	for i := range len(s) {
		if s[i] == b {
			return i
		}
	}
	return -1
}

func TestClaimsOfSeveralWordsAreListsForPolicies(t *testing.T) {
	key := ecSigner("a")
	rule := jwt.Rule{Issuer: idp, KeySet: keySet(key), Spaced: []string{"roles"}}
	next, err := verifier(t, rule).Verify(request(bearer(key.sign(fresh(claims{
		"scope": "read  write", "permission": "x", "roles": "a b", "name": "J. Doe",
	})))))
	require.NoError(t, err)
	seen := jwt.Claims(next.Context())
	require.Equal(t, []any{"read", "write"}, seen["scope"])
	require.Equal(t, []any{"x"}, seen["permission"])
	require.Equal(t, []any{"a", "b"}, seen["roles"])
	require.Equal(t, "J. Doe", seen["name"])
}

func TestSeveralRules(t *testing.T) {
	one, two := ecSigner("a"), ecSigner("a")
	const other = "https://other.example"
	rules := []jwt.Rule{
		{Issuer: idp, KeySet: keySet(one), Audiences: []string{"shop"}},
		{Issuer: other, KeySet: keySet(two)},
		{Issuer: idp, KeySet: keySet(one), Audiences: []string{"admin"}, Headers: []jwt.Header{{Name: "X-Admin"}}},
		{Issuer: idp, KeySet: keySet(two), Audiences: []string{"cart"}},
	}
	v := verifier(t, rules...)
	of := func(s signer, c claims) string { return s.sign(fresh(c)) }
	for name, r := range map[string]*http.Request{
		"by the first":                         request(bearer(of(one, nil))),
		"by the rule of its issuer":            request(bearer(of(two, claims{"iss": other}))),
		"in the place of a rule":               request(with("X-Admin", of(one, claims{"aud": "admin"}))),
		"by a further rule of its issuer":      request(bearer(of(two, claims{"aud": "cart"}))),
		"several tokens, each by its own rule": request(bearer(of(one, nil)), with("X-Admin", of(one, claims{"aud": "admin"}))),
	} {
		_, err := v.Verify(r)
		require.NoError(t, err, name)
	}
	refused(t, v, request(bearer(of(one, claims{"iss": "https://nobody.example"}))), 401, "Jwt issuer is not configured")
	refused(t, v, request(bearer(of(one, claims{"iss": other}))), 401, "Jwt verification fails")
	refused(t, v, request(with("X-Admin", of(one, nil))), 403, "Audiences in Jwt are not allowed")
	refused(t, v, request(bearer(of(two, nil))), 401, "Jwt verification fails")
	refused(t, v, request(bearer(of(two, claims{"aud": "x"}))), 403, "Audiences in Jwt are not allowed")
	refused(t, v, request(bearer(of(one, claims{"aud": "cart"}))), 403, "Audiences in Jwt are not allowed")
	refused(t, v, request(with("X-Admin", of(two, claims{"iss": other}))), 401, "Jwt issuer is not configured")
	refused(t, v, request(bearer(of(one, nil)), with("X-Admin", "x")), 401, "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")
}

func TestTimes(t *testing.T) {
	key := ecSigner("a")
	synctest.Test(t, func(t *testing.T) {
		v := verifier(t, jwt.Rule{Issuer: idp, KeySet: keySet(key)})
		now := time.Now()
		r := request(bearer(key.sign(fresh(claims{"nbf": now.Add(90 * time.Second).Unix(), "exp": now.Add(5 * time.Minute).Unix()}))))
		refused(t, v, r, 401, "Jwt not yet valid")
		time.Sleep(30 * time.Second)
		_, err := v.Verify(r)
		require.NoError(t, err, "a minute before, since clocks differ")
		time.Sleep(5*time.Minute + 30*time.Second)
		_, err = v.Verify(r)
		require.NoError(t, err, "a minute after")
		time.Sleep(time.Second)
		refused(t, v, r, 401, "Jwt is expired")
	})
}

func TestTheAnswerIsEnvoys(t *testing.T) {
	key := ecSigner("a")
	h := verifier(t, jwt.Rule{Issuer: idp, KeySet: keySet(key)}).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello ", jwt.Claims(r.Context())["sub"])
	}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, request(bearer(key.sign(fresh(claims{"exp": 1})))))
	require.Equal(t, 401, w.Code)
	require.Equal(t, "Jwt is expired", w.Body.String())
	require.Equal(t, "text/plain", w.Header().Get("Content-Type"))
	require.Equal(t, `Bearer realm="http://shop.example/cart?size=3", error="invalid_token"`, w.Header().Get("Www-Authenticate"))

	w = httptest.NewRecorder()
	h.ServeHTTP(w, request(bearer(key.sign(fresh(nil)))))
	require.Equal(t, "200 hello me", fmt.Sprint(w.Code, " ", w.Body))
}

func TestABadUpdateChangesNothing(t *testing.T) {
	key := ecSigner("a")
	v := verifier(t, jwt.Rule{Issuer: idp, KeySet: keySet(key)})
	require.Error(t, v.Update(jwt.Config{Rules: []jwt.Rule{{}}}))
	refused(t, v, request(bearer("x")), 401, "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")
	require.NoError(t, v.Update(jwt.Config{}))
	_, err := v.Verify(request(bearer("x")))
	require.NoError(t, err)
	require.Equal(t, jwt.Stats{Without: 1, Refused: 1}, v.Stats())
}

func TestClaimsWithoutAToken(t *testing.T) { require.Nil(t, jwt.Claims(context.Background())) }

func TestTheLayerKeepsTheContract(t *testing.T) {
	meshtest.TestHandler(t, verifier(t, jwt.Rule{Issuer: idp, KeySet: keySet(ecSigner("a"))}).Handler)
}
