// Package external asks a service over HTTP whether requests may pass, as Envoy's
// ext_authz filter and the action CUSTOM of Istio's AuthorizationPolicy do.
//
// The service gets a check for each request: its method, its path behind a prefix,
// its host and Authorization, and what further headers and how much of the body a
// [Config] names. It lets the request through with 200. Any other answer below 500
// goes to the caller, and one from 500 on is a failure, as is none in time:
//
//	service, err := external.New(external.Config{URL: "http://opa.internal:8181/check", Timeout: time.Second})
//	...
//	a, err := authz.New(authz.Config{
//		Ask:      func(r *http.Request, _ string) (authz.Answer, error) { return service.Ask(r) },
//		Policies: []authz.Policy{{Name: "ask", Action: authz.Custom, Rules: []authz.Rule{{}}}},
//	})
package external
