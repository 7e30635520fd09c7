// Package retry repeats requests that may pass the next time.
//
// A request that failed because one server was restarting is best sent again to
// another one. A request that failed because all servers are overloaded is best
// not, since repeating it is more of what they cannot take; and a request that
// moved money must not be sent twice because its answer was lost. A [Policy]
// therefore asks four questions before it repeats anything:
//
//   - Is it a failure that may pass? [Config].On names the kinds in Envoy's words.
//   - Is it safe? Unless Config.Unsafe is set, only requests with an idempotent
//     method or an Idempotency-Key are repeated, and others when it is certain that
//     no server has acted on them (see [mesh.Stage]).
//   - Can it be repeated? A body is kept while it is sent, up to Config.MaxBody;
//     one that is larger is sent once.
//   - Can the servers bear it? A [Budget], best shared by all policies that lead to
//     the same servers, bounds retries and hedges as a share of requests.
//
// Then it waits, exponentially and with full jitter or as long as the server
// asked for, and sends the request to a host that was not tried yet.
//
// Repeating never hides anything: when attempts run out the last answer is
// returned as it came, and a failure of the last attempt as an [*Error] that
// holds all attempts.
//
//	policy, err := retry.New(retry.Config{Attempts: 2, PerTry: time.Second})
//	…
//	client.Transport = policy.Transport(http.DefaultTransport)
//
// What is decided is decided by [Policy.Decide], which neither waits nor sends.
package retry
