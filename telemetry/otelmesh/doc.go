// Package otelmesh shows a mesh to OpenTelemetry: a span for each request, one for
// each attempt to send it and one for each request that is served, joined over
// processes, sidecars and gateways by the headers of W3C Trace Context or B3; and
// the durations of both sides as metrics.
//
// A [Telemetry] gives layers, as everything here does. A span must begin before it
// can be sent along, so that they stand around what they watch:
//
//	tracing, err := otelmesh.New(otelmesh.Config{Tracer: provider})
//
//	up, err := upstream.New(upstream.Config{Name: "reviews", Endpoints: endpoints, Attempt: tracing.Attempt})
//	client := http.Client{Transport: tracing.Transport(up)}
//	server := http.Server{Handler: tracing.Handler(mux)}
//
// With resources of Istio, Attempt is a field of istio.ClientConfig:
//
//	mesh, err := istio.NewClient(resources, istio.ClientConfig{Attempt: tracing.Attempt})
//	client := http.Client{Transport: tracing.Transport(mesh)}
//
// A client without retries needs tracing.Attempt alone, around its transport. A nil
// *Telemetry is off: its methods return what they are given.
//
// # Spans
//
// Names and attributes follow the semantic conventions for HTTP, version 1.43.
//
//   - A request is an INTERNAL span "mesh ROUTE". It tells what was decided, and lasts
//     until the last byte of the answer has passed or its body was closed.
//   - Each attempt is a CLIENT span "METHOD" within it, with http.request.resend_count
//     from the second on. It, too, lasts until its answer's body has ended. Attempts of
//     a request whose span is not sampled have none.
//   - A request that is served is a SERVER span "METHOD ROUTE", where ROUTE is the
//     pattern of the [http.ServeMux], see [Routed].
//   - A mirrored copy is a trace of its own, linked to the request that was copied.
//
// A span of a client is an error from status 400 on, one of a server from 500 on,
// and both where no answer came to its end. Then error.type is the status or, where
// a layer or the network failed, Envoy's response code details, such as
// "upstream_per_try_timeout". What the mesh adds stands under the prefix "mesh.":
//
//	mesh.route                  the rule that was chosen
//	mesh.cluster                the destination, Envoy's cluster
//	mesh.subset                 the branch of a split
//	mesh.endpoint               the address that an attempt went to; of a request, the last one
//	mesh.attempts               how often a request was tried
//	mesh.attempt                which attempt it is; 1 is the first
//	mesh.lost                   true for an attempt that another one was faster than; it is no error
//	mesh.mirror                 true for a mirrored copy
//	mesh.mirrors                the destinations of a request's copies
//	mesh.response_flags         in Envoy's spelling, such as "URX,UF"
//	mesh.response_code_details  in Envoy's spelling
//	mesh.request_id             x-request-id
//
// The events of a request's span are mesh.retry, one for each attempt that another
// one followed, with mesh.attempt, mesh.endpoint and mesh.reason; and mesh.fault
// with mesh.reason, for a fault that was injected.
//
// # Propagation
//
// A server reads Trace Context, B3 in one header and B3 in several, in this order of
// preference, and W3C Baggage. [Config.Inject] says what calls carry. Whether a new
// trace is sampled is up to the sampler of the TracerProvider; one that began
// elsewhere is, with the SDK's default, as it came. B3 without a word about sampling
// counts as not sampled then.
//
// The header x-request-id is kept as it comes, whatever it says, and made as a random
// UUID where there is none, as Envoy does. What Envoy writes into it about sampling
// (its 14th digit) is neither read nor written: the headers above say it. A call that
// is made while a request is served, with the context of that request, takes over
// x-request-id and what other tracers put into headers; Istio asks applications to
// pass these on by hand.
package otelmesh
