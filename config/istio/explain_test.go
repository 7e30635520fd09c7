package istio_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
)

// explained is a service with rules and a policy; the lines count in the tests.
const explained = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews.example.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: 10.0.0.1, labels: {version: v1}, locality: eu/a, weight: 2}
  - {address: 10.0.0.2, labels: {version: v2}, locality: us/b}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews.example.com
  trafficPolicy:
    connectionPool:
      http:
        http2MaxRequests: 50
    outlierDetection:
      consecutiveGatewayErrors: 3
      maxEjectionPercent: 50
  subsets:
  - name: v1
    labels: {version: v1}
  - name: v2
    labels: {version: v2}
    trafficPolicy:
      loadBalancer:
        simple: RANDOM
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews.example.com]
  http:
  - name: old
    match:
    - uri: {prefix: /old}
    redirect: {uri: /new, redirectCode: 308}
  - name: beta
    match:
    - uri: {prefix: /v2}
      headers: {x-user: {exact: beta}}
    route:
    - destination: {host: reviews.example.com, subset: v2}
    timeout: 2s
    retries:
      attempts: 3
      perTryTimeout: 500ms
      retryOn: 5xx
  - name: stable
    match:
    - uri: {prefix: /v}
    route:
    - destination: {host: reviews.example.com, subset: v1}
      weight: 90
    - destination: {host: reviews.example.com, subset: v9}
      weight: 10
    mirror: {host: reviews.example.com, subset: v2}
    mirrorPercentage: {value: 5}
    fault:
      delay: {percentage: {value: 1}, fixedDelay: 3s}
    rewrite: {uri: /w}
`

// explain is what a client of explained says of a request.
func explain(t *testing.T, documents, method, url string, header http.Header) istio.Explanation {
	t.Helper()
	client, err := istio.NewClient(parse(t, documents), istio.ClientConfig{Workload: istio.Workload{Namespace: "shop"}})
	require.NoError(t, err)
	defer client.Close()
	r, err := http.NewRequest(method, url, nil)
	require.NoError(t, err)
	r.Header = header
	return client.Explain(r)
}

// columns leaves one space between columns, so that tests do not depend on the
// width of the longest.
func columns(text string) string {
	return regexp.MustCompile(`(\S) {2,}`).ReplaceAllString(text, "$1 | ")
}

func TestExplainTellsTheRuleTheDestinationAndEverySource(t *testing.T) {
	e := explain(t, explained, "GET", "http://reviews.example.com/v2/x", http.Header{"X-User": {"beta"}})
	require.Equal(t, `GET reviews.example.com/v2/x, port 80

not rule old (mesh.yaml:39: VirtualService shop/reviews)
    path "/v2/x": want prefix "/old"

rule beta (mesh.yaml:43: VirtualService shop/reviews)
    timeout | 2s | mesh.yaml:49: VirtualService shop/reviews
    retries.attempts | 3 | mesh.yaml:51: VirtualService shop/reviews
    retries.perTryTimeout | 500ms | mesh.yaml:52: VirtualService shop/reviews
    retries.retryOn | 5xx | mesh.yaml:53: VirtualService shop/reviews
    retries.backoff | 25ms, at most 250ms | default of Istio
    retries.retryIgnorePreviousHosts | true | default of Istio

100 % of requests to outbound|80|v2|reviews.example.com (mesh.yaml:48: VirtualService shop/reviews)
    service reviews.example.com (mesh.yaml:1: ServiceEntry shop/reviews)
    endpoint 10.0.0.2:80 | weight 1 | priority 0, us/b | mesh.yaml:10: ServiceEntry shop/reviews
    loadBalancer.simple | RANDOM | mesh.yaml:31: DestinationRule shop/reviews
    loadBalancer.localityLbSetting | nearest first | default of Istio
    connectionPool.tcp.connectTimeout | 10s | default of Istio
    connectionPool.tcp.maxConnections | unlimited | default of Istio
    connectionPool.http.http1MaxPendingRequests | unlimited | default of Istio
    connectionPool.http.http2MaxRequests | 50 | mesh.yaml:20: DestinationRule shop/reviews
    connectionPool.http.maxRequestsPerConnection | unlimited | default of Istio
    connectionPool.http.maxRetries | unlimited | default of Istio
    connectionPool.http.idleTimeout | 1h0m0s | default of Istio
    connectionPool.http.h2UpgradePolicy | HTTP/1.1 | default of Istio
    outlierDetection.consecutive5xxErrors | 5 | default of Istio
    outlierDetection.consecutiveGatewayErrors | 3 | mesh.yaml:22: DestinationRule shop/reviews
    outlierDetection.interval | 10s | default of Istio
    outlierDetection.baseEjectionTime | 30s | default of Istio
    outlierDetection.maxEjectionPercent | 50 | mesh.yaml:23: DestinationRule shop/reviews
    outlierDetection.minHealthPercent | 0 | default of Istio
    tls.mode | plain text | default of Istio
`, columns(e.String()))
}

func TestExplainTellsSharesMirrorsFaultsAndWhatIsMissing(t *testing.T) {
	e := explain(t, explained, "POST", "http://reviews.example.com/v2/x", nil)
	require.Equal(t, []istio.PassedRule{
		{Name: "old", Source: "mesh.yaml:39: VirtualService shop/reviews", Reason: `path "/v2/x": want prefix "/old"`},
		{Name: "beta", Source: "mesh.yaml:43: VirtualService shop/reviews", Reason: `header X-User absent: want exact "beta"`},
	}, e.Passed)
	const from = "VirtualService shop/reviews"
	require.Equal(t, []istio.Setting{
		{Name: "timeout", Value: "none", Source: istio.DefaultOfIstio},
		{Name: "retries.attempts", Value: "2", Source: istio.DefaultOfIstio},
		{Name: "retries.perTryTimeout", Value: "none", Source: istio.DefaultOfIstio},
		{
			Name:   "retries.retryOn",
			Value:  "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
			Source: istio.DefaultOfIstio,
		},
		{Name: "retries.backoff", Value: "25ms, at most 250ms", Source: istio.DefaultOfIstio},
		{Name: "retries.retryIgnorePreviousHosts", Value: "true", Source: istio.DefaultOfIstio},
		{Name: "fault.delay", Value: "1 % by 3s", Source: "mesh.yaml:65: " + from},
		{Name: "rewrite", Value: "path /w", Source: "mesh.yaml:66: " + from},
	}, e.Rule.Settings)

	require.Len(t, e.Destinations, 3)
	v1, v9, mirror := e.Destinations[0], e.Destinations[1], e.Destinations[2]
	require.Equal(t, []istio.ExplainedEndpoint{{Address: "10.0.0.1:80", Weight: 2, Locality: "eu/a", Source: "mesh.yaml:9: ServiceEntry shop/reviews"}}, v1.Endpoints)
	require.Equal(t, 90.0, v1.Share)
	require.Equal(t, "mesh.yaml:58: "+from, v1.Asked)
	require.Equal(t, "mesh.yaml:60: "+from, v9.Asked)
	require.Equal(t, "mesh.yaml:62: "+from, mirror.Asked)
	require.Equal(t, 10.0, v9.Share)
	require.True(t, v9.Missing, "the subset v9 is not defined")
	require.True(t, mirror.Mirror)
	require.Equal(t, 5.0, mirror.Share)
	require.Equal(t, "v2", mirror.Subset)
	require.Contains(t, e.String(), "10 % of requests to outbound|80|v9|reviews.example.com (mesh.yaml:60: "+from+")\n    there is no such service, port or subset")
	require.Contains(t, e.String(), "5 % are copied to outbound|80|v2|")
}

func TestExplainTellsAReplyOfTheRulesOwn(t *testing.T) {
	e := explain(t, explained, "GET", "http://reviews.example.com/old/x", nil)
	require.Equal(t, "GET reviews.example.com/old/x, port 80\n\n"+
		"rule old (mesh.yaml:39: VirtualService shop/reviews)\n"+
		"    redirect | 308 to path /new | mesh.yaml:42: VirtualService shop/reviews\n", columns(e.String()))
	require.Empty(t, e.Destinations)
}

func TestExplainTellsThatNoRuleMatches(t *testing.T) {
	e := explain(t, explained, "GET", "http://reviews.example.com/", nil)
	require.Nil(t, e.Rule)
	require.Len(t, e.Passed, 3)
	require.Equal(t, "404: no rule of the host matches", e.Refused)
}

func TestExplainTellsThatNobodyKnowsTheHost(t *testing.T) {
	e := explain(t, explained, "GET", "http://other.example.com/", nil)
	require.Contains(t, e.Refused, "no resource names the host")
	const registryOnly = `
---
apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
outboundTrafficPolicy: {mode: REGISTRY_ONLY}
`
	e = explain(t, explained+registryOnly, "GET", "http://other.example.com/", nil)
	require.Contains(t, e.Refused, "502")
}

func TestExplainTellsOfAServiceWithoutRules(t *testing.T) {
	service, _, _ := strings.Cut(explained, "---")
	e := explain(t, service, "GET", "http://reviews.example.com/", nil)
	require.Equal(t, "default", e.Rule.Name)
	require.Equal(t, "mesh.yaml:1: ServiceEntry shop/reviews", e.Rule.Source)
	require.Len(t, e.Destinations[0].Endpoints, 2)
	for _, s := range append(e.Rule.Settings, e.Destinations[0].Settings...) {
		require.Equal(t, istio.DefaultOfIstio, s.Source, s.Name)
	}
}

func TestExplainNamesTheMeshConfigForItsSettings(t *testing.T) {
	const mesh = `
---
apiVersion: mesh.istio.io/v1alpha1
kind: MeshConfig
defaultHttpRetryPolicy:
  attempts: 7
  retryOn: reset
defaultTrafficPolicy:
  connectionPool:
    http:
      maxRetries: 5
localityLbSetting:
  enabled: false
connectTimeout: 3s
tcpKeepalive: {time: 60s, probes: 3}
h2UpgradePolicy: UPGRADE
`
	e := explain(t, explained+mesh, "GET", "http://reviews.example.com/v1", nil)
	require.Contains(t, e.Rule.Settings, istio.Setting{Name: "retries.attempts", Value: "7", Source: "mesh.yaml:72: MeshConfig"})
	require.Contains(t, e.Rule.Settings, istio.Setting{Name: "retries.retryOn", Value: "reset", Source: "mesh.yaml:73: MeshConfig"})
	require.Contains(t, e.Destinations[0].Settings, istio.Setting{Name: "loadBalancer.localityLbSetting", Value: "off", Source: "mesh.yaml:78: MeshConfig"})
	for _, s := range []istio.Setting{
		{Name: "connectionPool.tcp.connectTimeout", Value: "3s", Source: "mesh.yaml:80: MeshConfig"},
		{Name: "connectionPool.tcp.tcpKeepalive", Value: "after 1m0s, 3 times", Source: "mesh.yaml:81: MeshConfig"},
		{Name: "connectionPool.http.h2UpgradePolicy", Value: "UPGRADE", Source: "mesh.yaml:82: MeshConfig"},
	} {
		require.Contains(t, e.Destinations[0].Settings, s)
	}
	beta := explain(t, explained+mesh, "GET", "http://reviews.example.com/v2", http.Header{"X-User": {"beta"}})
	require.Contains(t, beta.Rule.Settings, istio.Setting{Name: "retries.attempts", Value: "3", Source: "mesh.yaml:51: VirtualService shop/reviews"})
	require.Contains(t, beta.Rule.Settings, istio.Setting{Name: "retries.retryOn", Value: "5xx", Source: "mesh.yaml:53: VirtualService shop/reviews"})
	own := explain(t, strings.Replace(explained, "      retryOn: 5xx\n", "", 1)+mesh, "GET", "http://reviews.example.com/v2", http.Header{"X-User": {"beta"}})
	require.Contains(t, own.Rule.Settings, istio.Setting{Name: "retries.retryOn", Value: "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes", Source: istio.DefaultOfIstio}, "of its own retries the mesh says nothing")
	require.Contains(t, beta.Rule.Settings, istio.Setting{Name: "retries.backoff", Value: "25ms, at most 250ms", Source: istio.DefaultOfIstio})

	service, _, _ := strings.Cut(explained, "---")
	e = explain(t, service+mesh, "GET", "http://reviews.example.com/", nil)
	require.Contains(t, e.Destinations[0].Settings, istio.Setting{Name: "connectionPool.http.maxRetries", Value: "5", Source: "mesh.yaml:21: MeshConfig"})
}

// What a delegate's rule has from the rule that names it stands where that rule
// does.
func TestExplainTellsWhatADelegateHasFromItsRoot(t *testing.T) {
	const documents = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root, namespace: shop}
spec:
  hosts: [reviews.example.com]
  http:
  - match:
    - uri: {prefix: /v}
    timeout: 3s
    retries: {attempts: 1}
    mirrors:
    - destination: {host: copies.example.com}
    headers:
      request:
        set:
          x-a: "1"
    delegate: {name: reviews}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  http:
  - timeout: 4s
    route:
    - destination: {host: reviews.example.com}
      headers:
        response:
          remove: [x-b]
`
	e := explain(t, documents, "GET", "http://reviews.example.com/v", nil)
	require.Equal(t, "mesh.yaml:24: VirtualService shop/reviews", e.Rule.Source)
	for _, want := range []istio.Setting{
		{Name: "timeout", Value: "4s", Source: "mesh.yaml:24: VirtualService shop/reviews"},
		{Name: "retries.attempts", Value: "1", Source: "mesh.yaml:10: VirtualService shop/root"},
		{Name: "headers.request.set.x-a", Value: "1", Source: "mesh.yaml:16: VirtualService shop/root"},
		{Name: "route[0].headers.response.remove", Value: "x-b", Source: "mesh.yaml:29: VirtualService shop/reviews"},
	} {
		require.Contains(t, e.Rule.Settings, want)
	}
	require.Equal(t, "mesh.yaml:26: VirtualService shop/reviews", e.Destinations[0].Asked)
	require.Equal(t, "mesh.yaml:12: VirtualService shop/root", e.Destinations[1].Asked)
}

func TestExplainTellsOfPathsThatAreRefused(t *testing.T) {
	e := explain(t, explained, "GET", "http://reviews.example.com/a%00b/../c", nil)
	require.Equal(t, "400: its path cannot be normalized", e.Refused)
}

func TestAnExplanationIsJSON(t *testing.T) {
	e := explain(t, explained, "GET", "http://reviews.example.com/old", nil)
	text, err := json.Marshal(e)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"method": "GET", "host": "reviews.example.com", "port": 80, "path": "/old",
		"rule": {
			"name": "old", "source": "mesh.yaml:39: VirtualService shop/reviews",
			"settings": [{"name": "redirect", "value": "308 to path /new", "source": "mesh.yaml:42: VirtualService shop/reviews"}]
		}
	}`, string(text))
}
