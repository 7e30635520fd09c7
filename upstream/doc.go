// Package upstream is the client's side of one destination, assembled: retries
// within a budget, limits and a circuit, ejection of endpoints that misbehave, a
// balancer, and connections that it owns.
//
// A name and endpoints are enough:
//
//	reviews, err := upstream.New(upstream.Config{Name: "reviews", Endpoints: lb.Addrs("10.0.0.1:9080", "10.0.0.2:9080")})
//	...
//	defer reviews.Close()
//	client := &http.Client{Transport: reviews}
//
// It then repeats once what cannot have had an effect or may be repeated, prefers
// the less busy of two endpoints, and takes those out of use that keep failing; it
// sets no timeouts of its own. Each further field of [Config] is the configuration
// of the package that does the work.
//
// A request goes through the layers in this order: retry, circuit, balancer with
// ejection, [Config.Attempt], connection. Every attempt is one sending: nothing is
// repeated below the retry policy.
package upstream
