package jwt_test

import (
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/sidecarless/mesh/jwt"
)

// What a token costs is mostly its signature.
func BenchmarkVerify(b *testing.B) {
	for _, c := range []struct {
		name string
		key  signer
	}{{"ES256", ecSigner("a")}, {"RS256", rsaSigner("a", jose.RS256)}, {"EdDSA", edSigner("a")}} {
		b.Run(c.name, func(b *testing.B) {
			v := verifier(b, jwt.Rule{Issuer: idp, Audiences: []string{"shop"}, KeySet: keySet(c.key)})
			r := request(bearer(c.key.sign(fresh(nil))))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("none", func(b *testing.B) {
		v := verifier(b, jwt.Rule{Issuer: idp, KeySet: keySet(ecSigner("a"))})
		r := request()
		b.ReportAllocs()
		for b.Loop() {
			v.Verify(r)
		}
	})
}
