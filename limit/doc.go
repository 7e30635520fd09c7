// Package limit refuses requests that come faster than they may: for a server
// that protects itself or shares itself out fairly among its callers, and for a
// client that keeps to what it was granted.
//
// A request takes a token out of a bucket. The bucket holds Burst tokens and is
// full in the beginning; Rate of them flow back each second, evenly and not in
// steps. A request that finds no token is refused: with 429, the text
// "local_rate_limited" and the flag RL, as Envoy's local rate limit filter
// answers, and with a Retry-After.
//
//	perUser, err := limit.New(limit.Config{Rate: 10, Burst: 20, Key: match.HeaderKey("X-User")})
//	…
//	http.ListenAndServe(addr, perUser.Handler(api))
//
// Without a Key there is one bucket for all requests. With one, requests of equal
// keys share a bucket. There are keys for headers, cookies, query parameters and
// addresses in package match, and [PerIdentity] and [PerPath] here. The buckets
// of the keys used last are kept, at most MaxKeys; a key that was forgotten
// begins anew with a full one.
//
// The limits are those of one process. A fleet of n servers behind a fair
// balancer lets through n times as much.
package limit
