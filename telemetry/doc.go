// Package telemetry is what metrics and traces share: who this process is, and how
// each side of a call learns who the other one is.
//
// Metrics by source and destination need both names on both sides. A sidecar tells
// its own in a pair of headers, x-envoy-peer-metadata-id and x-envoy-peer-metadata,
// and is told the other's in the answer. An [Exchange] does the same, so that
// processes with this library and ones with a sidecar know each other:
//
//	me := telemetry.FromEnvironment()
//	names := telemetry.NewExchange(me)
//	client.Transport = mesh.Chain(log.Transport, names.Transport)(http.DefaultTransport)
//	server.Handler = names.Handler(log.Handler(mux))
//
// Below this package telemetry/metrics counts requests by these names for
// Prometheus, and telemetry/otelmesh traces them.
package telemetry
