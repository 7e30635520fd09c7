package istio_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/meshtest"
)

const everything = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: svc}
spec:
  hosts: [svc.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints:
  - {address: 10.0.0.1, labels: {version: v1}}
  - {address: 10.0.0.2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: svc}
spec:
  host: svc.example
  trafficPolicy:
    loadBalancer: {consistentHash: {httpHeaderName: user}}
    outlierDetection: {consecutive5xxErrors: 1000}
    connectionPool: {http: {http2MaxRequests: 1000}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: svc}
spec:
  hosts: [svc.example]
  http:
  - headers: {request: {set: {x-a: b}}, response: {add: {x-c: d}}}
    timeout: 60s
    retries: {attempts: 2, retryOn: "5xx"}
    fault: {delay: {fixedDelay: 1ms, percentage: {value: 0.0001}}}
    route:
    - {destination: {host: svc.example, subset: v1}, weight: 50}
    - {destination: {host: svc.example, subset: v2}, weight: 50}
`

func TestAClientKeepsTheContractOfALayer(t *testing.T) {
	config := parse(t, everything)
	for name, proxyHeaders := range map[string]bool{"with the headers of a proxy": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			meshtest.TestTransport(t, func(next http.RoundTripper) http.RoundTripper {
				c, err := istio.NewClient(config, istio.ClientConfig{Transport: next, ProxyHeaders: proxyHeaders})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, c.Close()) })
				return c
			})
		})
	}
}
