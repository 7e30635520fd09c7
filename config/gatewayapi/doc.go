// Package gatewayapi reads the Kubernetes Gateway API and carries it out: HTTPRoute
// and GRPCRoute on a Gateway, and on a Service (GAMMA).
//
// [Parse], [ParseFS] and [ParseFiles] read documents strictly. Every problem is
// reported at once, each with its file, line, kind, name and field:
//
//	mesh.yaml:12: HTTPRoute shop/reviews: spec.rules[2].timeouts.request: …
//
// Routes that no parent accepts, and references that lead nowhere, are no errors
// to the API: the first are without effect, the second answer with 500. They are
// among the [Config.Warnings], and [Config.Conditions] has the status that a
// cluster would show.
//
// [NewClient] makes the [http.RoundTripper] of a workload in the mesh: routes of
// the Services that it calls apply. [NewGateway] makes the handlers of a Gateway,
// one for each port of its listeners:
//
//	config, err := gatewayapi.ParseFiles("mesh.yaml")
//	...
//	gateway, err := gatewayapi.NewGateway(config, gatewayapi.GatewayConfig{Name: "shop/edge"})
//	...
//	http.ListenAndServe(":80", gateway.Handler(80))
//
// Carried out are matches and their precedence, all filters but ExtensionRef and
// ExternalAuth (which answer with 500, as a filter is never left out), weights,
// timeouts, retries, session persistence, ReferenceGrants, ListenerSets. Regular
// expressions are RE2's and match as a whole. Query parameters are compared
// decoded when they are to be exact, and as sent with an expression.
package gatewayapi
