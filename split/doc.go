// Package split divides traffic between branches by weight: ninety per cent to
// v1 and ten to v2, a canary that grows step by step, a test with three arms.
//
// A [Splitter] holds the branches; any value can stand behind a branch. Its Pick
// is pure: it gets a draw and knows neither randomness nor requests. [Transport]
// and [Handler] put a splitter in front of RoundTrippers and Handlers, and draw:
//
//	reviews, err := split.New(
//		split.ClientBranch{Name: "stable", Weight: 90, Value: v1},
//		split.ClientBranch{Name: "canary", Weight: 10, Value: v2},
//	)
//	client := &http.Client{Transport: split.Transport(reviews)}
//
// That sends one user now here, now there. [Sticky] does not: with a key (a header,
// a cookie, a query parameter, the caller's address) every user has one branch in
// all processes that have the same branches, and a change of weights moves no more
// users than it must. It has a name that makes splits independent of each other, a
// cookie for users who have no key, and the hash-driven split of Envoy.
//
// A split belongs outside of retries, so that a request keeps its branch when it
// is repeated.
package split
