package istio

import (
	"testing"
)

func TestBadDestinationRules(t *testing.T) {
	checkBad(t, []badDocument{
		{
			name: "a policy in small letters",
			doc: policy(`    loadBalancer: {simple: round_robin}
`),
			want: []string{
				`mesh.yaml:7: DestinationRule shop/reviews: spec.trafficPolicy.loadBalancer.simple: must be one of UNSPECIFIED, LEAST_CONN, RANDOM, PASSTHROUGH, ROUND_ROBIN or LEAST_REQUEST; did you mean ROUND_ROBIN? (got "round_robin")`,
			},
		},
		{
			name: "a policy by number",
			doc: policy(`    loadBalancer: {simple: 3}
`),
			want: []string{
				`mesh.yaml:7: DestinationRule shop/reviews: spec.trafficPolicy.loadBalancer.simple: must be written by its name, PASSTHROUGH (got 3)`,
			},
		},
		{
			name: "two load balancers",
			doc: policy(`    loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}
`),
			want: []string{
				`mesh.yaml:7: DestinationRule shop/reviews: spec.trafficPolicy.loadBalancer.consistentHash: cannot stand beside simple: only one of simple and consistentHash may be given`,
			},
		},
		{
			name: "an empty connection pool",
			doc: policy(`    connectionPool: {}
`),
			want: []string{
				`mesh.yaml:7: DestinationRule shop/reviews: spec.trafficPolicy.connectionPool: is empty: it needs http or tcp`,
			},
		},
		{
			name: "a Maglev table of no prime size",
			doc: policy(`    loadBalancer: {consistentHash: {httpHeaderName: x, maglev: {tableSize: 65536}}}
`),
			want: []string{
				`mesh.yaml:7: DestinationRule shop/reviews: spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize: must be a prime number below 5000011, such as 65537 (got 65536)`,
			},
		},
		{
			name: "shares that exceed the whole",
			doc: policy(`    loadBalancer:
      localityLbSetting:
        distribute: [{from: a/*, to: {a/*: 80, b/*: 30}}]
`),
			want: []string{
				`mesh.yaml:9: DestinationRule shop/reviews: spec.trafficPolicy.loadBalancer.localityLbSetting.distribute[0].to: the shares must add up to 100 (got 110)`,
			},
		},
		{
			name: "distribute beside failover",
			doc: policy(`    loadBalancer:
      localityLbSetting:
        distribute: [{from: a/*, to: {a/*: 100}}]
        failover: [{from: a, to: b}]
`),
			want: []string{
				`mesh.yaml:10: DestinationRule shop/reviews: spec.trafficPolicy.loadBalancer.localityLbSetting.failover: cannot stand beside spec.trafficPolicy.loadBalancer.localityLbSetting.distribute: keep distribute for fixed shares without failover, or failover with outlierDetection to stay local and spill over`,
			},
		},
		{
			name: "port settings without settings or port",
			doc: policy(`    portLevelSettings:
    - port: {number: 80}
    - tls: {mode: SIMPLE}
`),
			want: []string{
				`mesh.yaml:8: DestinationRule shop/reviews: spec.trafficPolicy.portLevelSettings[0]: sets nothing: it needs loadBalancer, connectionPool, outlierDetection or tls`,
				`mesh.yaml:9: DestinationRule shop/reviews: spec.trafficPolicy.portLevelSettings[1].port: is missing`,
			},
		},
		{
			name: "a misspelt limit and one too large",
			doc: policy(`    connectionPool: {http: {maxRetries: 5, maxRetry: 6}, tcp: {maxConnections: 99999999999}}
`),
			want: []string{
				`mesh.yaml:7: DestinationRule shop/reviews: spec.trafficPolicy.connectionPool.http.maxRetry: there is no such field; there are h2UpgradePolicy, http1MaxPendingRequests, http2KeepAlive, http2MaxRequests, idleTimeout, maxConcurrentStreams, maxRequestsPerConnection, maxRetries and useClientProtocol`,
				`mesh.yaml:7: DestinationRule shop/reviews: spec.trafficPolicy.connectionPool.tcp.maxConnections: must be a whole number from -2147483648 to 2147483647 (got 99999999999)`,
			},
		},
		{
			name: "three mistakes in outlier detection",
			doc: policy(`    outlierDetection: {consecutive5xx: 3, interval: 10, maxEjectionPercent: 150}
`),
			want: []string{
				`mesh.yaml:7: DestinationRule shop/reviews: spec.trafficPolicy.outlierDetection.consecutive5xx: there is no such field; did you mean consecutive5xxErrors?`,
				`mesh.yaml:7: DestinationRule shop/reviews: spec.trafficPolicy.outlierDetection.interval: a duration needs a unit: 10s, or 10ms (got 10)`,
				`mesh.yaml:7: DestinationRule shop/reviews: spec.trafficPolicy.outlierDetection.maxEjectionPercent: must be 0 to 100 per cent (got 150)`,
			},
		},
		{
			name: "a version label that is a number",
			doc: policy(`    outlierDetection: {}
`) + `  subsets:
  - name: v1
    labels: {version: 1.0}
`,
			want: []string{
				`mesh.yaml:10: DestinationRule shop/reviews: spec.subsets[0].labels[version]: must be a string, and YAML reads 1.0 as a number: put it in quotes`,
			},
		},
	})
}
