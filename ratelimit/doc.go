// Package ratelimit asks Envoy's global rate limit service whether a request may
// pass, so that a limit holds for a fleet and not for one process.
//
// A [Client] speaks envoy.service.ratelimit.v3.RateLimitService, which
// github.com/envoyproxy/ratelimit and several gateways serve. Of each request it
// makes descriptors, lists of keys and values such as ("path", "/orders"),
// ("user", "anna"), and the service has a limit for some of them:
//
//	conn, err := grpc.NewClient("ratelimit.infra:8081", grpc.WithTransportCredentials(creds))
//	...
//	limits, err := ratelimit.New(ratelimit.Config{
//		Service: conn, Domain: "shop",
//		Limits: []ratelimit.Limit{{Actions: []ratelimit.Action{
//			{Key: "user", From: match.HeaderKey("X-User")},
//		}}},
//	})
//	...
//	http.ListenAndServe(addr, limits.Handler(api))
//
// The actions of Envoy's rate_limits are written so:
//
//	request_headers         {Key: descriptor_key, From: match.HeaderKey(header_name)}
//	  with skip_if_absent   and Optional: true
//	query_parameters        {Key: descriptor_key, From: match.QueryKey(query_parameter_name)}
//	remote_address          {Key: "remote_address", From: match.PeerKey()}
//	generic_key             {Key: "generic_key", Value: descriptor_value}
//	header_value_match      {Key: "header_match", Value: descriptor_value, When: []match.Request{{Headers: …}}}
//	  with expect_match no  Unless in place of When
//	source_cluster          {Key: "source_cluster", Value: the name of this service}
//
// A value can also be the template that the path fits (limit.PerPath) or the
// identity of a caller over mutual TLS (limit.PerIdentity).
//
// The service is asked before the request goes on, for 20 ms at most. While it
// cannot be asked requests pass, or with FailClosed none do. Package limit has
// limits of a process, which cost no call; both may stand in one chain, the
// cheap one outside.
package ratelimit
