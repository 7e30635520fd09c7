package jwt_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/sidecarless/mesh/jwt"
)

// Every token here would let somebody in who must stay out. The texts are Envoy's.
func TestTokensThatMustFail(t *testing.T) {
	ec, rs, foreign := ecSigner("a"), rsaSigner("b", jose.RS256), ecSigner("a")
	other384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rule := jwt.Rule{Issuer: idp, Audiences: []string{"shop"}, KeySet: keySet(ec, rs)}
	good := ec.sign(fresh(nil))
	parts := strings.Split(good, ".")
	payload, _ := json.Marshal(fresh(nil))
	root, _ := json.Marshal(fresh(claims{"sub": "root"}))
	b64 := base64.RawURLEncoding.EncodeToString

	// A public key taken for the secret of an HMAC.
	pub := rs.key.(*rsa.PrivateKey).Public()
	der, _ := x509.MarshalPKIXPublicKey(pub)
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	confused := func(secret []byte, kid string) string {
		return signer{secret, kid, jose.HS256}.sign(fresh(nil))
	}
	embedded := func() string {
		made, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: foreign.key}, &jose.SignerOptions{EmbedJWK: true})
		if err != nil {
			t.Fatal(err)
		}
		signed, err := made.Sign(payload)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := signed.CompactSerialize()
		return text
	}()
	critical := raw(`{"alg":"ES256","kid":"a","crit":["b64"],"b64":false}`, string(payload), strings.Repeat("x", 64))

	const (
		form    = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
		fails   = "Jwt verification fails"
		noKey   = "Jwks doesn't have key to match kid or alg from Jwt"
		notAlg  = "Jwt header [alg] is not supported"
		header  = "Jwt header is an invalid JSON"
		header6 = "Jwt header is an invalid Base64url encoded"
		claimsJ = "Jwt payload is an invalid JSON"
	)
	for _, c := range []struct{ name, token, text string }{
		{"no token", "", form},
		{"a word", "nonsense", form},
		{"two sections", parts[0] + "." + parts[1], form},
		{"no signature", parts[0] + "." + parts[1] + ".", form},
		{"no header", "." + parts[1] + "." + parts[2], form},
		{"four sections", good + ".x", form},
		{"five sections, as of encrypted ones", good + ".x.y", form},
		{"two tokens", good + "," + good, form},
		{"a line end inside", parts[0] + ".\n" + parts[1] + "." + parts[2], form},
		{"very long", parts[0] + "." + strings.Repeat("A", 1<<17) + "." + parts[2], form},
		{"a header that is no base64", "a!!!." + parts[1] + "." + parts[2], header6},
		{"a header with padding", parts[0] + "==." + parts[1] + "." + parts[2], header6},
		{"a header that is no JSON", raw("{", string(payload), "x"), header},
		{"a header that is a list", raw("[]", string(payload), "x"), header},
		{"a header that is null", raw("null", string(payload), "x"), header},
		{"two algorithms", raw(`{"alg":"ES256","alg":"none"}`, string(payload), "x"), header},
		{"no algorithm", raw(`{"typ":"JWT"}`, string(payload), "x"), "Jwt header [alg] field is required and must be a string"},
		{"an algorithm that is a number", raw(`{"alg":1}`, string(payload), "x"), "Jwt header [alg] field is required and must be a string"},
		{"an algorithm under another case", raw(`{"ALG":"ES256"}`, string(payload), "x"), "Jwt header [alg] field is required and must be a string"},
		{"none", raw(`{"alg":"none"}`, string(payload), "x"), notAlg},
		{"None", raw(`{"alg":"None"}`, string(payload), "x"), notAlg},
		{"NONE", raw(`{"alg":"NONE"}`, string(payload), "x"), notAlg},
		{"an empty algorithm", raw(`{"alg":""}`, string(payload), "x"), notAlg},
		{"an algorithm in another case", raw(`{"alg":"es256"}`, string(payload), "x"), notAlg},
		{"an algorithm of encryption", raw(`{"alg":"RSA-OAEP"}`, string(payload), "x"), notAlg},
		{"a kid that is a number", raw(`{"alg":"ES256","kid":1}`, string(payload), "x"), "Jwt header [kid] field is not a string"},
		{"claims that are no base64", parts[0] + ".!." + parts[2], "Jwt payload is an invalid Base64url encoded"},
		{"claims that are no JSON", raw(`{"alg":"ES256"}`, "x", "x"), claimsJ},
		{"a claim twice", raw(`{"alg":"ES256"}`, `{"iss":"`+idp+`","iss":"x"}`, "x"), claimsJ},
		{"a signature that is no base64", parts[0] + "." + parts[1] + ".!", "Jwt signature is an invalid Base64url encoded"},
		{"an issuer that is a list", ec.sign(fresh(claims{"iss": []string{idp}})), "Jwt payload [iss] field is not a string"},
		{"a subject that is a number", ec.sign(fresh(claims{"sub": 1})), "Jwt payload [sub] field is not a string"},
		{"an expiry that is a text", ec.sign(fresh(claims{"exp": "9999999999"})), "Jwt payload [exp] field is not an integer"},
		{"an expiry that is negative", ec.sign(fresh(claims{"exp": -1})), "Jwt payload [exp] field is not a positive 64 bit integer"},
		{"an expiry beyond all numbers", raw(`{"alg":"ES256"}`, `{"exp":1e999}`, "x"), claimsJ},
		{"an audience that is a number", ec.sign(fresh(claims{"aud": 1})), "Jwt payload [aud] field is not a string or string list"},
		{"an audience that is null", raw(`{"alg":"ES256"}`, `{"iss":"`+idp+`","aud":null}`, "x"), "Jwt payload [aud] field is not a string or string list"},
		{"audiences of several kinds", ec.sign(fresh(claims{"aud": []any{"shop", 1}})), "Jwt payload [aud] field is not a string or string list"},
		{"another issuer", ec.sign(fresh(claims{"iss": "https://evil.example"})), "Jwt issuer is not configured"},
		{"no issuer", ec.sign(fresh(claims{"iss": nil})), "Jwt issuer is not configured"},
		{"the issuer with a slash", ec.sign(fresh(claims{"iss": idp + "/"})), "Jwt issuer is not configured"},
		{"the issuer in another case", ec.sign(fresh(claims{"iss": strings.ToUpper(idp)})), "Jwt issuer is not configured"},
		{"another audience", ec.sign(fresh(claims{"aud": "shopping"})), "Audiences in Jwt are not allowed"},
		{"no audience", ec.sign(fresh(claims{"aud": nil})), "Audiences in Jwt are not allowed"},
		{"the audience in another case", ec.sign(fresh(claims{"aud": "Shop"})), "Audiences in Jwt are not allowed"},
		{"expired", ec.sign(fresh(claims{"exp": time.Now().Unix() - 61})), "Jwt is expired"},
		{"long expired", ec.sign(fresh(claims{"exp": 1})), "Jwt is expired"},
		{"not yet valid", ec.sign(fresh(claims{"nbf": time.Now().Unix() + 90})), "Jwt not yet valid"},
		{"signed by somebody else under the same kid", foreign.sign(fresh(nil)), fails},
		{"signed by somebody else without a kid", signer{foreign.key, "", jose.ES256}.sign(fresh(nil)), fails},
		{"a kid that nobody has", signer{ec.key, "z", jose.ES256}.sign(fresh(nil)), noKey},
		{"the kid of another key", signer{ec.key, "b", jose.ES256}.sign(fresh(nil)), noKey},
		{"a kid that leads elsewhere", signer{foreign.key, "../../keys", jose.ES256}.sign(fresh(nil)), noKey},
		{"another algorithm than the key's", signer{rs.key, "b", jose.RS512}.sign(fresh(nil)), noKey},
		{"another padding than the key's", signer{rs.key, "b", jose.PS256}.sign(fresh(nil)), noKey},
		{"a curve that is none of the set's", signer{other384, "", jose.ES384}.sign(fresh(nil)), noKey},
		{"an HMAC by the public key, under its kid", confused(asPEM, "b"), noKey},
		{"an HMAC by the public key without a kid", confused(asPEM, ""), noKey},
		{"an HMAC by the public key in DER", confused(der, ""), noKey},
		{"a key of its own in the header", embedded, fails},
		{"other claims under the signature", parts[0] + "." + b64(root) + "." + parts[2], fails},
		{"another header over the signature", b64([]byte(`{"alg":"ES256"}`)) + "." + parts[1] + "." + parts[2], fails},
		{"a signature of zeros", parts[0] + "." + parts[1] + "." + b64(make([]byte, 64)), fails},
		{"half a signature", parts[0] + "." + parts[1] + "." + parts[2][:40], fails},
		{"a signature in DER", parts[0] + "." + parts[1] + "." + b64(append([]byte{0x30, 0x44}, make([]byte, 68)...)), fails},
		{"what it says is critical and is not known", critical, fails},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := verifier(t, rule)
			status := 401
			if strings.HasPrefix(c.text, "Audiences") {
				status = 403
			}
			refused(t, v, request(with("Authorization", "Bearer "+c.token)), status, c.text)
			if c.token != "" {
				refused(t, v, request(bearer(good), with("Authorization", "Bearer "+c.token)), status, c.text)
			}
		})
	}
}

// The keys of the set say nothing of their algorithm here, so that only its kind
// keeps a key from being used for another one.
func TestKeysAreUsedForTheirOwnAlgorithmsOnly(t *testing.T) {
	ec, rs := ecSigner(""), rsaSigner("", jose.RS256)
	var set jose.JSONWebKeySet
	for _, s := range []signer{ec, rs} {
		k := s.public()
		k.Algorithm = ""
		set.Keys = append(set.Keys, k)
	}
	text, _ := json.Marshal(set)
	v := verifier(t, jwt.Rule{Issuer: idp, KeySet: string(text)})
	der, _ := x509.MarshalPKIXPublicKey(rs.key.(*rsa.PrivateKey).Public())
	for _, secret := range [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), rs.key.(*rsa.PrivateKey).N.Bytes()} {
		for _, alg := range []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512} {
			refused(t, v, request(bearer(signer{secret, "", alg}.sign(fresh(nil)))), 401, "Jwt verification fails")
		}
	}
}

func TestFurtherTokensOfARequestMustBeGoodToo(t *testing.T) {
	key := ecSigner("a")
	good, bad := key.sign(fresh(nil)), ecSigner("a").sign(fresh(nil))
	v := verifier(t, jwt.Rule{Issuer: idp, KeySet: keySet(key), Cookies: []string{"c"}, Params: []string{"t"}, Headers: []jwt.Header{{Name: "X-T"}}})
	const fails = "Jwt verification fails"
	refused(t, v, request(with("X-T", good), with("X-T", bad)), 401, fails)
	refused(t, v, request(with("X-T", bad), with("X-T", good)), 401, fails)
	refused(t, v, request(with("X-T", good), query("t="+bad)), 401, fails)
	refused(t, v, request(query("t="+good+"&t="+bad)), 401, fails)
	refused(t, v, request(query("t="+good+"&%74="+bad)), 401, fails)
	refused(t, v, request(with("X-T", good), with("Cookie", "c="+bad)), 401, fails)
	refused(t, v, request(with("Cookie", "c="+good+"; c="+bad)), 401, fails)
	r := request()
	for range 9 {
		r.Header.Add("X-T", good)
	}
	refused(t, v, r, 401, "Found multiple Jwt tokens")
}
