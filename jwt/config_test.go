package jwt_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/jwt"
)

func TestAllProblemsAreReportedWithTheirFields(t *testing.T) {
	set := keySet(ecSigner("a"))
	_, err := jwt.New(jwt.Config{Rules: []jwt.Rule{
		{},
		{Issuer: "idp", Audiences: []string{""}},
		{KeysURL: "ftp://idp.example"},
		{Issuer: idp},
		{KeySet: "{"},
		{KeySet: set, Headers: []jwt.Header{{Name: "a b"}}, Params: []string{"a", ""}, Timeout: -time.Second},
		{KeySet: set, Cookies: []string{""}, PayloadHeader: ":path", ClaimHeaders: []jwt.ClaimHeader{{Header: "", Claim: ""}}},
	}})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{
		"jwt.Rules[0].Issuer", "jwt.Rules[1].Audiences[0]", "jwt.Rules[1].Issuer", "jwt.Rules[2].KeysURL", "jwt.Keys", "jwt.Rules[4].KeySet",
		"jwt.Rules[5].Headers[0].Name", "jwt.Rules[5].Params[1]", "jwt.Rules[5].Timeout",
		"jwt.Rules[6].Cookies[0]", "jwt.Rules[6].PayloadHeader", "jwt.Rules[6].ClaimHeaders[0].Header", "jwt.Rules[6].ClaimHeaders[0].Claim",
	}, fields)
	_, err = jwt.NewKeys(jwt.KeysConfig{Refresh: -1, MaxBytes: -1})
	require.ErrorContains(t, err, "jwt.Refresh")
	require.ErrorContains(t, err, "jwt.MaxBytes")
}
