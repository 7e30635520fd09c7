// Package discovery finds the endpoints of a service and keeps them current:
// from DNS, or from a file.
//
// A balancer that is given a name instead of addresses would hand it to the
// dialer, and one connection would then carry all requests to whichever address
// came first. Here every address that a name has becomes an endpoint of its own:
//
//	d, err := discovery.NewDNS(discovery.DNSConfig{
//		Endpoints: lb.Addrs("reviews.shop.svc.cluster.local:9080"),
//	})
//	…
//	go d.Run(ctx, upstream.SetEndpoints)
//
// What was found once is kept until something else is found: a name server that
// fails, a file half written or deleted takes no endpoint away. Stats tells how
// old the set in use is. Nothing runs outside of Run.
package discovery
