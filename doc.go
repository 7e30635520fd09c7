// Package mesh holds the words that the packages of this module share: layers
// and how to chain them, shares of traffic, the reasons for which a request is
// refused, how far a failed request got, how an attempt ended, and what is wrong
// with a configuration.
//
// A service mesh puts a proxy beside every process to route, split, bound,
// repeat and secure its requests. This module does that work inside the
// process, as layers around an [http.RoundTripper] (the calls a service makes) or
// an [http.Handler] (the calls it gets). A layer is a method value such as
// retries.Transport or faults.Handler, and [Chain] lists layers in the order in
// which a request meets them:
//
//	client.Transport = mesh.Chain(
//		deadlines.Transport,
//		retries.Transport,
//		balancer.Transport,
//	)(http.DefaultTransport)
//
// A layer that refuses a request returns an [*Error]. It says why in the words
// that Envoy puts into its access log ([Flag]), which status a sidecar would
// have answered, and whether the request can have had an effect ([Stage]).
// [ErrorsAsResponses] turns such errors into the sidecar's replies.
//
// Constructors report everything that is wrong with a configuration at once;
// [Problems] lists it.
package mesh
