// Package jwt verifies the tokens that come with requests (RFC 7519), by the rules
// of Istio's RequestAuthentication.
//
// A [Rule] says for one issuer where its tokens are found in a request, which
// audiences they may be for, and with which keys they are signed. A [Verifier] has
// several. It lets a request without a token pass, since whether one is needed is
// the business of an authorization policy, and refuses one with a token that is not
// good, with the answer of Envoy's jwt_authn filter:
//
//	keys, err := jwt.NewKeys(jwt.KeysConfig{})
//	...
//	go keys.Run(ctx) // fetches keys and keeps them current
//	v, err := jwt.New(jwt.Config{Keys: keys, Rules: []jwt.Rule{{
//		Issuer: "https://idp.example", KeysURL: "https://idp.example/keys", Audiences: []string{"shop"},
//	}}})
//	...
//	server.Handler = v.Handler(authorizer.Handler(mux))
//
// The claims of a good token are in the context of the request, where policies of
// package authz and conditions of package match find them, and [Claims] for
// everybody else.
//
// Signatures are verified by go-jose. The algorithm must be one of those for
// signatures, and fit the key: "none" is refused, and a public key is no secret of
// an HMAC.
package jwt
