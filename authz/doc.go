// Package authz decides who may ask what.
//
// An [Authorizer] judges each request by policies in the order of Istio's
// AuthorizationPolicy: first custom decisions, then refusals, then permissions.
// Without any policy that allows, everything that is not refused is allowed; with
// one, only what some policy allows.
//
//	a, err := authz.New(authz.Config{Policies: []authz.Policy{{
//		Name: "frontend-reads",
//		Rules: []authz.Rule{{
//			From: []authz.Source{{Principals: authz.Set{In: []match.Value{match.Exact("cluster.local/ns/shop/sa/frontend")}}}},
//			To:   []authz.Operation{{Methods: authz.Set{In: []match.Value{match.Exact("GET")}}}},
//		}},
//	}}})
//	...
//	server.Handler = a.Handler(mux)
//
// What is not known of a request, such as the identity of a caller in plain text,
// fits no value, and so every "not in". Who the caller is comes from package mtls,
// or from a certificate that crypto/tls has verified.
//
// Paths are judged, and handed on, in their normal form, so that /a/../admin is
// /admin. An escaped slash stays an escaped slash, as with Istio. Behind a handler
// that reads r.URL.Path, where it is a slash, such as [http.FileServer], set
// [Config.Paths] to [match.PathDecodeAndMergeSlashes].
//
// This binds requests that come through the handler. It is no boundary against
// code in the same process.
package authz
