package requestauth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh/config/requestauth"
	"github.com/sidecarless/mesh/internal/leak"
	"github.com/sidecarless/mesh/jwt"
)

func TestMain(m *testing.M) { leak.Main(m) }

// Every field of a rule has its place.
func TestRules(t *testing.T) {
	require.Equal(t, []jwt.Rule{
		{Issuer: "a", KeySet: "{}"},
		{
			Issuer: "b", Audiences: []string{"shop"}, KeysURL: "https://b/keys", Timeout: time.Second,
			Headers: []jwt.Header{{Name: "x-a", Prefix: "p "}, {Name: "x-b"}}, Params: []string{"q"}, Cookies: []string{"c"},
			Forward: true, PayloadHeader: "x-p", ClaimHeaders: []jwt.ClaimHeader{{Header: "x-s", Claim: "sub"}}, Spaced: []string{"roles"},
		},
	}, requestauth.Rules([]*security.JWTRule{
		{
			Issuer: "b", Audiences: []string{"shop"}, JwksUri: "https://b/keys", Timeout: durationpb.New(time.Second),
			FromHeaders: []*security.JWTHeader{{Name: "x-a", Prefix: "p "}, {Name: "x-b"}}, FromParams: []string{"q"}, FromCookies: []string{"c"},
			ForwardOriginalToken: true, OutputPayloadToHeader: "x-p", OutputClaimToHeaders: []*security.ClaimToHeader{{Header: "x-s", Claim: "sub"}},
			SpaceDelimitedClaims: []string{"roles"},
		},
		{Issuer: "a", Jwks: "{}"},
	}))
}

func TestTokensReportWhatIsWrongWithRules(t *testing.T) {
	keys, err := jwt.NewKeys(jwt.KeysConfig{})
	require.NoError(t, err)
	_, err = requestauth.Tokens(keys)([]*security.JWTRule{{Issuer: "no URL"}})
	require.ErrorContains(t, err, "jwt.Rules[0].Issuer")
}
