// Package lb picks one endpoint for each request.
//
// A service runs as several replicas, and whoever calls it has to choose: evenly,
// by weight, by how busy or how fast they are, or always the same one for the
// same user; preferably in the caller's own zone; not the ones that fail; gently
// the ones that have just started. A [Balancer] does that in the caller's
// process:
//
//	balancer, err := lb.New(lb.Config{
//		Endpoints: lb.Addrs("10.0.0.1:9080", "10.0.0.2:9080", "10.0.0.3:9080"),
//	})
//	…
//	client := &http.Client{Transport: balancer.Transport(http.DefaultTransport)}
//
// An [Endpoint] is an address with its weight, priority, locality and labels:
// configuration. A [Host] is what is known of that address while the program
// runs: its requests, its latency, whether it is ejected. Hosts stay when
// endpoints are set anew ([Balancer.SetEndpoints]).
//
// An [Algorithm] chooses between hosts: [LeastRequest] (the default),
// [RoundRobin], [Random], [PeakEWMA], and the consistent hashes [RingHash] and
// [Maglev]. They pick as Envoy does, where Envoy has them: the same schedule for
// weights, the same endpoint for a key. A program can bring its own.
//
// Before that, a request is given a priority. All go to the first one as long as
// enough of its hosts can be used; what they cannot take goes to the next. A
// [Placement] makes priorities and weights of where endpoints are: [Nearest],
// [Distribute], [Subset].
//
// Something else decides that a host is to be left alone, and calls
// [Host.Eject] or [Host.SetHealthy]. Picks go by it at once.
package lb
