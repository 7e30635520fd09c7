// Package conformance replays what Istio and Envoy answered and compares.
//
// The recordings of whole requests stand in testdata/e2e and testdata/more; the
// README there tells their format and by which rules two answers are the same. Each
// case is played in this process: the servers of the case on loopback, a client made
// from its resources, and requests that go byte for byte over a connection to a
// handler that sends them on through the client, as a sidecar would.
package conformance
