// Package timeout bounds how long a request may take, and lets services on one
// path share what is left of that time.
//
// On a client, [Timeout.Transport] gives each request a time that counts as Envoy
// counts it: from the end of the request's body to the end of the answer's. It
// spans everything inside, repeated attempts and the waits between them included.
// The body of the answer can be read in peace until then; when the time is over,
// reading ends with an error.
//
//	deadlines, err := timeout.New(timeout.Config{Total: 2 * time.Second})
//	client.Transport = deadlines.Transport(http.DefaultTransport)
//
// A request of which the time is over ends with an [*mesh.Error] of flag UT and
// status 504, which is also a [context.DeadlineExceeded]. The caller's own
// deadline and cancellation stay the caller's: they end the request with the
// caller's cause and count against nobody.
//
// On a server, [Timeout.Handler] puts a deadline on the request's context. The
// answer is not held back, so that streams, upgrades and large files work as
// without it.
//
// Time that the caller does not have need not be spent. [Announce] tells the next
// hop how long an attempt may take, and that hop's Handler can honor it: with
// deadlines of 2 s, a service three hops away works with what the first three
// left over and not for callers who have given up.
package timeout
