package jwt_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/jwt"
)

const idp = "https://idp.example"

// A signer is a key of an issuer, with the name and algorithm that its tokens tell.
type signer struct {
	key any
	kid string
	alg jose.SignatureAlgorithm
}

func ecSigner(kid string) signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return signer{key, kid, jose.ES256}
}

func rsaSigner(kid string, alg jose.SignatureAlgorithm) signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return signer{key, kid, alg}
}

func edSigner(kid string) signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return signer{key, kid, jose.EdDSA}
}

// public is the key by which its tokens are verified.
func (s signer) public() jose.JSONWebKey {
	k := jose.JSONWebKey{Key: s.key, KeyID: s.kid, Algorithm: string(s.alg), Use: "sig"}
	if private, ok := s.key.(interface{ Public() crypto.PublicKey }); ok {
		k.Key = private.Public()
	}
	return k
}

// keySet is a set of the public keys of signers.
func keySet(signers ...signer) string {
	var set jose.JSONWebKeySet
	for _, s := range signers {
		set.Keys = append(set.Keys, s.public())
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic(err)
	}
	return string(text)
}

type claims map[string]any

// fresh are claims of a good token, with changes. One that is nil is left out.
func fresh(change claims) claims {
	c := claims{"iss": idp, "sub": "me", "aud": "shop", "exp": time.Now().Add(time.Hour).Unix()}
	for name, v := range change {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

func (s signer) sign(c claims) string {
	options := &jose.SignerOptions{}
	if s.kid != "" {
		options.WithHeader("kid", s.kid)
	}
	made, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: s.key}, options)
	if err != nil {
		panic(err)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	signed, err := made.Sign(payload)
	if err != nil {
		panic(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

// raw puts a token together of texts, without a look at them.
func raw(header, payload, signature string) string {
	b := base64.RawURLEncoding
	return b.EncodeToString([]byte(header)) + "." + b.EncodeToString([]byte(payload)) + "." + b.EncodeToString([]byte(signature))
}

func verifier(t testing.TB, rules ...jwt.Rule) *jwt.Verifier {
	t.Helper()
	v, err := jwt.New(jwt.Config{Rules: rules})
	require.NoError(t, err)
	return v
}

// request is one to /cart with changes.
func request(change ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest("GET", "http://shop.example/cart?size=3", nil)
	for _, f := range change {
		f(r)
	}
	return r
}

func bearer(token string) func(*http.Request) { return with("Authorization", "Bearer "+token) }

func with(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

func query(text string) func(*http.Request) {
	return func(r *http.Request) {
		r.URL.RawQuery = text
		r.RequestURI = "http://shop.example/cart?" + text
	}
}

// refused asserts the answer to r.
func refused(t testing.TB, v *jwt.Verifier, r *http.Request, status int, text string) {
	t.Helper()
	next, err := v.Verify(r)
	require.Nil(t, next)
	var said *mesh.Error
	require.ErrorAs(t, err, &said)
	require.Equal(t, text, said.Body())
	require.Equal(t, status, said.Status)
	require.Equal(t, "jwt_authn_access_denied{"+strings.ReplaceAll(text, " ", "_")+"}", said.Details)
}
