// Package requestauth verifies tokens by the rules of Istio's RequestAuthentication
// resources, for servers and gateways of package config/istio. It stands between that
// package, which reads the resources, and package jwt, which verifies tokens, so that
// programs without tokens need no library for them:
//
//	keys, err := jwt.NewKeys(jwt.KeysConfig{})
//	...
//	go keys.Run(ctx)
//	server, err := istio.NewServer(config, istio.ServerConfig{Tokens: requestauth.Tokens(keys)})
//
// The keys are those of all rules, and stay when the resources change. A server whose
// resources have such rules does not start without Tokens.
//
// A RequestAuthentication refuses bad tokens, and lets requests without any pass. That
// there has to be one says an AuthorizationPolicy, with requestPrincipals.
package requestauth

import (
	"cmp"
	"net/http"
	"slices"

	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh/jwt"
)

// Tokens makes what verifies the tokens of requests by rules, as
// [istio.ServerConfig.Tokens] and [istio.GatewayConfig.Tokens] want it.
//
// [istio.ServerConfig.Tokens]: https://pkg.go.dev/github.com/sidecarless/mesh/config/istio#ServerConfig
// [istio.GatewayConfig.Tokens]: https://pkg.go.dev/github.com/sidecarless/mesh/config/istio#GatewayConfig
func Tokens(keys *jwt.Keys) func([]*security.JWTRule) (func(*http.Request) (*http.Request, error), error) {
	return func(list []*security.JWTRule) (func(*http.Request) (*http.Request, error), error) {
		v, err := jwt.New(jwt.Config{Keys: keys, Rules: Rules(list)})
		if err != nil {
			return nil, err
		}
		return v.Verify, nil
	}
}

// Rules are rules of RequestAuthentication as package jwt has them. Istio tries
// those of several resources in the order of their issuers.
func Rules(list []*security.JWTRule) []jwt.Rule {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *security.JWTRule) int { return cmp.Compare(a.GetIssuer(), b.GetIssuer()) })
	rules := make([]jwt.Rule, len(list))
	for i, r := range list {
		rules[i] = jwt.Rule{
			Issuer: r.GetIssuer(), Audiences: r.GetAudiences(),
			KeySet: r.GetJwks(), KeysURL: r.GetJwksUri(), Timeout: r.GetTimeout().AsDuration(),
			Params: r.GetFromParams(), Cookies: r.GetFromCookies(),
			Forward: r.GetForwardOriginalToken(), PayloadHeader: r.GetOutputPayloadToHeader(), Spaced: r.GetSpaceDelimitedClaims(),
		}
		for _, h := range r.GetFromHeaders() {
			rules[i].Headers = append(rules[i].Headers, jwt.Header{Name: h.GetName(), Prefix: h.GetPrefix()})
		}
		for _, c := range r.GetOutputClaimToHeaders() {
			rules[i].ClaimHeaders = append(rules[i].ClaimHeaders, jwt.ClaimHeader{Header: c.GetHeader(), Claim: c.GetClaim()})
		}
	}
	return rules
}
