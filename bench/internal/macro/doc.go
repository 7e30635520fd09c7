// Package macro measures whole systems over the loopback interface: a process that
// calls, a process that answers, and what is between them, which is nothing, layers
// inside the caller, or real proxies.
//
// The caller is the same everywhere: an http.Client with 32 requests at a time. The
// answering process has three listeners, two stable ones and a canary, and answers
// as many bytes as it is asked for. All proxies send a header's requests to the
// canary and divide the rest 90 to 10, choose the server with the fewest requests,
// wait a second, repeat twice after a 5xx, eject after five in a row, and have
// limits; none writes an access log. "Two" is a sidecar beside the caller and one
// beside the server.
//
// TLS is between hosts, which is where a mesh has it: whatever stands beside the
// caller, or the caller itself, encrypts, and the server, or its sidecar, decrypts.
// With HTTP/2 all speak it.
//
// First as many requests are sent as pass (for CPU time and throughput), then a
// fixed number a second (for latency, from the sending of each, and for CPU time
// again, which is dearer then, since everything sleeps in between). CPU time is that
// of all processes together. Rounds are interleaved, so that what disturbs the
// machine for a while disturbs all.
package macro
