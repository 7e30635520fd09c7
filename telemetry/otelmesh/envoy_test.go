package otelmesh_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/envoytest"
	"github.com/sidecarless/mesh/telemetry/otelmesh"
)

// An Envoy that traces requests and sends them on to APP, a service of this
// process. It tells COLLECTOR of spans at once. Its spans of servers and of clients
// are two, as ours.
const gateway = `
layered_runtime:
  layers:
  - name: at-once
    static_layer:
      tracing: {opentelemetry: {flush_interval_ms: 20, min_flush_spans: 1}, zipkin: {flush_interval_ms: 20, min_flush_spans: 1}}
static_resources:
  listeners:
  - name: gateway
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: gateway
          tracing:
            spawn_upstream_span: true
            provider: PROVIDER
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{match: {prefix: /}, route: {cluster: app}}]
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: app
    load_assignment: {cluster_name: app, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: APP}}}]}]}
  - name: collector
    load_assignment: {cluster_name: collector, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: COLLECTOR}}}]}]}
`

const byOTLP = `
              name: envoy.tracers.opentelemetry
              typed_config:
                "@type": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig
                service_name: gateway
                http_service: {http_uri: {uri: "http://collector/v1/traces", cluster: collector, timeout: 5s}}`

const byZipkin = `
              name: envoy.tracers.zipkin
              typed_config:
                "@type": type.googleapis.com/envoy.config.trace.v3.ZipkinConfig
                collector_cluster: collector
                collector_endpoint: /api/v2/spans
                collector_endpoint_version: HTTP_JSON
                trace_id_128bit: true
                shared_span_context: false`

// startGateway runs the Envoy; it is nil where there is none.
func startGateway(t *testing.T, provider, app string, spans *collector) *envoytest.Envoy {
	address := func(hostPort string) string {
		host, port, _ := strings.Cut(hostPort, ":")
		return "{address: " + host + ", port_value: " + port + "}"
	}
	return envoytest.Start(t, strings.NewReplacer(
		"PROVIDER", provider, "APP", address(strings.TrimPrefix(app, "http://")), "COLLECTOR", address(spans.address),
	).Replace(gateway))
}

// Two services of this process with an Envoy before each call: the client here, the
// first service, which asks the second. An Envoy understands what we send, and we
// what it sends, in each format.
func TestTracesJoinThroughAnEnvoy(t *testing.T) {
	for name, c := range map[string]struct {
		provider string
		inject   otelmesh.Format
	}{
		"W3C":              {byOTLP, otelmesh.W3C},
		"B3 in one header": {byZipkin, otelmesh.B3},
		"B3 in several":    {byZipkin, otelmesh.B3Multi},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpans(t, func(config *otelmesh.Config) { config.Inject = c.inject })
			others := newCollector(t)
			var client http.RoundTripper
			var envoy *envoytest.Envoy
			mux := http.NewServeMux()
			mux.HandleFunc("/productpage", func(w http.ResponseWriter, r *http.Request) {
				_, err := send(t, client, get(t, "http://"+envoy.Addr("gateway")+"/ratings").WithContext(r.Context()))
				if err != nil {
					t.Error(err)
				}
			})
			mux.HandleFunc("/ratings", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "five stars") })
			url, transport := serve(t, s.Handler(mux))
			client = mesh.Chain(s.Transport, s.Attempt)(transport)
			if envoy = startGateway(t, c.provider, url, others); envoy == nil {
				return
			}

			// From a client that traces.
			_, err := send(t, client, get(t, "http://"+envoy.Addr("gateway")+"/productpage"))
			require.NoError(t, err)
			all := eventuallyTold(t, 10, s, others)
			require.Equal(t, `here internal
here client
envoy server
envoy client
here server
here internal
here client
envoy server
envoy client
here server
`, chain(t, all))
			ids := map[string]bool{}
			for _, one := range all {
				if id := one.RequestID; id != "" {
					// Envoy writes into this digit that it traces the request.
					require.Contains(t, "49", id[14:15])
					ids[id[:14]+id[15:]] = true
				}
			}
			require.Len(t, ids, 1, "one x-request-id on all the way")

			// From a client that does not: Envoy begins the trace, as a gateway does.
			s.Reset()
			before := len(others.collected())
			_, err = send(t, transport, get(t, "http://"+envoy.Addr("gateway")+"/ratings"))
			require.NoError(t, err)
			require.Eventually(t, func() bool { return len(others.collected()) == before+2 }, eventually, pollEvery)
			require.Equal(t, `envoy server
envoy client
here server
`, chain(t, append(others.collected()[before:], toldOf("here", s.one(t)))))
		})
	}
}

// A trace that is not recorded here is recorded nowhere on its way.
func TestAnEnvoyHeedsThatATraceIsNotSampled(t *testing.T) {
	s := newSpans(t)
	others := newCollector(t)
	url, transport := serve(t, s.Handler(http.NotFoundHandler()))
	envoy := startGateway(t, byOTLP, url, others)
	if envoy == nil {
		return
	}
	never := mustNew(t, otelmesh.Config{Tracer: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))})
	_, err := send(t, mesh.Chain(never.Transport, never.Attempt)(transport), get(t, "http://"+envoy.Addr("gateway")))
	require.NoError(t, err)
	_, err = send(t, s.Attempt(transport), get(t, "http://"+envoy.Addr("gateway")))
	require.NoError(t, err)
	// When the spans of the second request are there, those of the first would be.
	require.Equal(t, "here client\nenvoy server\nenvoy client\nhere server\n", chain(t, eventuallyTold(t, 4, s, others)))
}
