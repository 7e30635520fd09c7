// Package fault makes a share of requests slow or fail, so that it can be seen
// beforehand what a service does when another one does. It is what Istio's
// HTTPFaultInjection and Envoy's fault filter do, inside the process.
//
// An [Injector] is a layer for a client (its requests meet the fault) or for a
// server (the requests it gets do):
//
//	slow, err := fault.New(fault.Config{
//		When:  match.Request{Headers: []match.Field{{Name: "End-User", Value: match.Exact("jason")}}},
//		Delay: fault.Delay{Share: mesh.Always, For: 7 * time.Second},
//		Abort: fault.Abort{Share: mesh.Percent(10), Status: http.StatusServiceUnavailable},
//	})
//	…
//	client := &http.Client{Transport: slow.Transport(http.DefaultTransport)}
//
// All faults are drawn independently of each other. The delay comes first; a
// request that is then aborted reaches nobody. The answer of a request that goes
// through may be slowed down or cut.
//
// Where the layer stands decides what meets its faults. Outside of timeouts and
// retries, as in a sidecar, it is the caller who meets them. Inside of the
// retries, retries meet them, and each attempt draws anew:
//
//	mesh.Chain(retries.Transport, faults.Transport)
//
// Callers can bring faults along: in Envoy's headers, where [Config.Asked] listens
// to them, or in a signed one that names services, see [Ordered] and [Sign].
package fault
