package jwt_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/jwt"
)

// Whatever stands where a token does, only the tokens of the issuer get claims.
func FuzzTokens(f *testing.F) {
	key := ecSigner("a")
	good := key.sign(fresh(claims{"exp": nil}))
	v := verifier(f, jwt.Rule{Issuer: idp, KeySet: keySet(key)})
	for _, text := range []string{
		good, "", ".", "..", "a.b.c", good + ".", "x " + good, good + " ", good[:len(good)-1], raw(`{"alg":"none"}`, `{"iss":"`+idp+`"}`, "x"),
		raw(`{"alg":"ES256","kid":"a"}`, strings.Repeat("[", 9000), "x"),
	} {
		f.Add(text)
	}
	parts := strings.Split(good, ".")
	f.Fuzz(func(t *testing.T, text string) {
		next, err := v.Verify(request(with("Authorization", "Bearer "+text)))
		if err == nil {
			require.True(t, strings.Contains(text, parts[0]+"."+parts[1]+"."), "%q passed", text)
			require.Equal(t, "me", jwt.Claims(next.Context())["sub"])
		}
		next, err = v.Verify(request(query("access_token=" + url.QueryEscape(text))))
		if err == nil {
			require.True(t, strings.HasPrefix(text, parts[0]+"."+parts[1]+"."), "%q passed", text)
			require.NotContains(t, next.URL.RawQuery, "access_token")
		}
	})
}

// A parameter that is taken away leaves the others, each spelled as it was sent.
func FuzzParameters(f *testing.F) {
	key := ecSigner("a")
	good := key.sign(fresh(claims{"exp": nil}))
	v := verifier(f, jwt.Rule{Issuer: idp, KeySet: keySet(key), Params: []string{"t"}})
	f.Add("a=1", "b=%zz")
	f.Add("t", "%74=x")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.ContainsAny(before+after, "#") {
			return
		}
		next, err := v.Verify(request(query(before + "&t=" + good + "&" + after)))
		if err != nil {
			return // there is another t, which is no token
		}
		spelled := strings.Split(before+"&"+after, "&")
		for i, pair := range spelled {
			if !strings.Contains(pair, "=") {
				spelled[i] += "="
			}
		}
		require.ElementsMatch(t, spelled, strings.Split(next.URL.RawQuery, "&"))
	})
}
