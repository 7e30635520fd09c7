// Package meshtest helps to test services that use this module, and layers and
// algorithms that extend it.
//
// An [Upstream] stands for a server. It is an http.RoundTripper that answers by a
// script, without sockets, so that it works inside a testing/synctest bubble,
// where the time that it takes costs nothing:
//
//	reviews := meshtest.NewUpstream(
//		meshtest.Reply{Status: 503},
//		meshtest.Reply{Body: "ok", Delay: 2 * time.Second},
//	)
//	client := &http.Client{Transport: retries.Transport(reviews)}
//
// A [Mesh] stands for many servers and the network before them, each with a script
// of faults: ten minutes of an outage take milliseconds in a bubble, and the same
// seed is the same run.
//
// [TestTransport] holds a client layer against the contract of http.RoundTripper
// and what callers rely on besides: their request is not touched, its body is
// closed, streams stream. [TestHandler] does the same for layers around handlers:
// the ResponseWriter keeps its abilities, upgrades, trailers and aborts pass.
// [TestAlgorithm] holds a load balancing policy against the contract of
// [github.com/sidecarless/mesh/lb.Algorithm]. Every layer and policy of this
// module is tested by them.
package meshtest
