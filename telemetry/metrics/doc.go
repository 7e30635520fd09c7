// Package metrics counts requests for Prometheus under Istio's names and labels, and
// tells of destinations under Envoy's, so that dashboards, alerts and Kiali that were
// made for sidecars show processes with this library.
//
//	m, err := metrics.New(metrics.Config{Registerer: registry, Workload: me, Service: "reviews.shop.svc.cluster.local"})
//	client, err := istio.NewClient(config, istio.ClientConfig{Sinks: []access.Sink{m.Source}, MeshAttempt: names.Transport})
//	server, err := istio.NewServer(config, istio.ServerConfig{Sinks: []access.Sink{m.Destination}})
//	m.Watch(client.Upstreams())
//
// [Metrics.Source] and [Metrics.Destination] are sinks of access records, for the
// client's and for the server's side. A request counts once, at its end, however
// often it was tried: istio_requests_total, istio_request_duration_milliseconds,
// istio_request_bytes, istio_response_bytes and, for gRPC, istio_request_messages_total
// and istio_response_messages_total. Attempts stand in envoy_cluster_upstream_rq_total
// and the others of envoy_cluster. Connections of TCP are none of this library's, and
// so there are no metrics of them.
//
// The handles of a set of labels are looked up once: after that a request costs
// little more than incrementing its counters, and no memory. How many sets there can
// be is bounded.
package metrics
