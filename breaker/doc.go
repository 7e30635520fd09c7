// Package breaker refuses what an upstream, or this server, cannot take. A
// service that is slow or down must not be given more and more requests that
// wait for it, or everybody who calls it ends up waiting as well.
//
// It does so in three ways, of which each works without the others:
//
//   - [Limits] bound what is under way at a time: Envoy's "circuit breaker".
//   - A circuit (see [Trip]) opens after failures and then refuses everything at
//     once for some time, until a probe has succeeded.
//   - [Adaptive] bounds what is under way by what latency shows can be taken.
//
// Begin with [New] and put [Breaker.Transport] into a client or [Breaker.Handler]
// into a server; [Breaker.Acquire] and [Permit.Done] bracket anything else:
//
//	circuit, err := breaker.New(breaker.Config{Name: "reviews", Trip: breaker.Trip{Consecutive: 5}})
//	client.Transport = circuit.Transport(http.DefaultTransport)
//
// A refusal is an [*mesh.Error] with flag UO that was never sent; it is neither
// repeated nor held against anybody.
//
// Only the outcomes that an upstream had a part in count: not what the caller
// gave up, nor what this or another layer refused. Limits on connections are
// exact where something owns connections; here a permit stands for one, from the
// start of a request to the end of its answer's body, as a connection does in
// HTTP/1.1. The upstream package, which owns them, shares [Limits] instead.
package breaker
