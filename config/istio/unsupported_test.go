package istio

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh"
)

// entry is a ServiceEntry that goes on with the line given, which is line 5.
func entry(line string) string {
	return "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a}\nspec:\n  " + line + "\n"
}

func meshConfig(line string) string {
	return "apiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\n" + line + "\n"
}

const (
	reviewsRule = "mesh.yaml:7: DestinationRule shop/reviews: spec.trafficPolicy."
	aTCPRoute   = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a.b.c]\n"
	entryOfB    = "hosts: [a.b.c], ports: [{number: 80, name: http, protocol: HTTP}]"
)

// Each document is one that Istio accepts.
var unsupportedDocuments = map[string]string{
	aTCPRoute + "  tcp: [{route: [{destination: {host: a.b.c}}]}]\n":                                                                 "mesh.yaml:6: VirtualService default/a: spec.tcp: ",
	aTCPRoute + "  tls: [{match: [{sniHosts: [a.b.c]}], route: [{destination: {host: a.b.c}}]}]\n":                                   "mesh.yaml:6: VirtualService default/a: spec.tls: ",
	rule("    match: [{uri: {prefix: /a}}, {statPrefix: a, uri: {prefix: /b}}]\n"):                                                   "mesh.yaml:9: VirtualService shop/reviews: spec.http[0].match[1].statPrefix: ",
	policy("    tunnel: {targetHost: a.b.c, targetPort: 80}\n"):                                                                      reviewsRule + "tunnel: ",
	policy("    proxyProtocol: {version: V2}\n"):                                                                                     reviewsRule + "proxyProtocol: ",
	policy("    retryBudget: {budgetInterval: 1s}\n"):                                                                                reviewsRule + "retryBudget.budgetInterval: ",
	policy("    loadBalancer: {simple: PASSTHROUGH}\n"):                                                                              reviewsRule + "loadBalancer.simple: ",
	policy("    portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: PASSTHROUGH}}]\n"):                                   reviewsRule + "portLevelSettings[0].loadBalancer.simple: ",
	policy("    {loadBalancer: {zoneAwareLbSetting: {minClusterSize: 2}}, outlierDetection: {interval: 1s}}\n"):                      reviewsRule + "loadBalancer.zoneAwareLbSetting: ",
	policy("    connectionPool: {http: {useClientProtocol: true}}\n"):                                                                reviewsRule + "connectionPool.http.useClientProtocol: ",
	policy("    outlierDetection: {outlierDetectionHttpErrorCodes: [429]}\n"):                                                        reviewsRule + "outlierDetection.outlierDetectionHttpErrorCodes: ",
	policy("    tls: {mode: SIMPLE, credentialName: a}\n"):                                                                           reviewsRule + "tls.credentialName: ",
	entry(`{hosts: ["*.b.c"], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DYNAMIC_DNS, location: MESH_EXTERNAL}`): "mesh.yaml:5: ServiceEntry default/a: spec.resolution: ",
	entry(`{hosts: ["*.b.c"], ports: [{number: 80, name: http, protocol: HTTP}]}`):                                                   "mesh.yaml:5: ServiceEntry default/a: spec.hosts: ",
	entry("{" + entryOfB + `, resolution: STATIC, endpoints: [{address: 10.0.0.1}, {address: "unix:///run/a"}]}`):                    "mesh.yaml:5: ServiceEntry default/a: spec.endpoints[1].address: ",
	entry("{" + entryOfB + `, resolution: STATIC, endpoints: [{network: far}]}`):                                                     "mesh.yaml:5: ServiceEntry default/a: spec.endpoints[0].network: ",
	"apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: a}\nspec: {address: \"unix:///run/a\"}\n":             "mesh.yaml:4: WorkloadEntry default/a: spec.address: ",
	meshConfig("defaultTrafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}"):                                          "mesh.yaml:3: MeshConfig: defaultTrafficPolicy.connectionPool.http.useClientProtocol: ",
	meshConfig("enableAutoMtls: true"):                                                                                               "mesh.yaml:3: MeshConfig: enableAutoMtls: ",
	meshConfig("outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS, tls: {mode: SIMPLE}}"):                                          "mesh.yaml:3: MeshConfig: outboundTrafficPolicy: ",
	meshConfig("tlsDefaults: {ecdhCurves: [P-256]}"):                                                                                 "mesh.yaml:3: MeshConfig: tlsDefaults: ",
	meshConfig("meshMTLS: {cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256]}"):                                                            "mesh.yaml:3: MeshConfig: meshMTLS: ",
	meshConfig("serviceEntryVisibility: {applyToSidecars: true, defaultVisibility: NAMESPACE}"):                                      "mesh.yaml:3: MeshConfig: serviceEntryVisibility: ",
	meshConfig("zoneAwareLbSetting: {minClusterSize: 2}"):                                                                            "mesh.yaml:3: MeshConfig: zoneAwareLbSetting: ",
}

func TestWhatIsNotCarriedOutIsAnErrorThatSaysSo(t *testing.T) {
	said := map[string]bool{}
	for doc, where := range unsupportedDocuments {
		t.Run(where, func(t *testing.T) {
			c, err := Parse("mesh.yaml", strings.NewReader(doc))
			require.NoError(t, err, "it can be read and analyzed")
			var warnings []string
			for w := range c.Warnings() {
				warnings = append(warnings, w.Error())
			}
			_, err = NewClient(c, ClientConfig{})
			problems := slices.Collect(mesh.Problems(err))
			require.Len(t, problems, 1, "%v", err)
			require.Contains(t, problems[0].Error(), where+"is not carried out by clients: ")
			require.Contains(t, warnings, problems[0].Error())
			said[problems[0].Reason] = true
		})
	}
	for message, fields := range notCarriedOut {
		for _, f := range fields {
			require.True(t, said["is not carried out by clients: "+f.reason], "no document has %s of %s", f.field, message)
		}
	}
}

func TestAClientIsNotChangedToWhatIsNotCarriedOut(t *testing.T) {
	good, err := Parse("mesh.yaml", strings.NewReader(entry("{"+entryOfB+", resolution: STATIC, endpoints: [{address: 127.0.0.1}]}")))
	require.NoError(t, err)
	c, err := NewClient(good, ClientConfig{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	bad, err := Parse("mesh.yaml", strings.NewReader(policy("    proxyProtocol: {version: V2}\n")))
	require.NoError(t, err)
	require.ErrorContains(t, c.Update(bad), "is not carried out by clients")
}

func TestRulesOfGatewaysAreNoClients(t *testing.T) {
	c, err := Parse("mesh.yaml", strings.NewReader(aTCPRoute+"  gateways: [edge]\n  tcp: [{route: [{destination: {host: a.b.c}}]}]\n"))
	require.NoError(t, err)
	client, err := NewClient(c, ClientConfig{})
	require.NoError(t, err)
	require.NoError(t, client.Close())
}

// carriedOut are the other fields of what a client reads: those that it carries
// out, and those that are refused wherever they stand (exponentialDelay, http2Error)
// or warned of (consecutiveErrors).
var carriedOut = map[string]string{
	"VirtualService":                        "hosts gateways http exportTo",
	"HTTPRoute":                             "name match route redirect directResponse delegate rewrite timeout retries fault mirror mirrors mirrorPercent mirrorPercentage corsPolicy headers",
	"HTTPMatchRequest":                      "name uri scheme method authority headers port sourceLabels gateways queryParams ignoreUriCase withoutHeaders sourceNamespace",
	"StringMatch":                           "exact prefix regex",
	"HTTPRouteDestination":                  "destination weight headers",
	"Destination":                           "host subset port",
	"PortSelector":                          "number",
	"Headers":                               "request response",
	"Headers.HeaderOperations":              "set add remove",
	"HTTPRedirect":                          "uri authority port derivePort scheme redirectCode prefixRewrite",
	"HTTPDirectResponse":                    "status body",
	"HTTPBody":                              "string bytes",
	"Delegate":                              "name namespace",
	"HTTPRewrite":                           "uri authority uriRegexRewrite",
	"RegexRewrite":                          "match rewrite",
	"HTTPRetry":                             "attempts perTryTimeout retryOn retryRemoteLocalities retryIgnorePreviousHosts backoff",
	"HTTPFaultInjection":                    "delay abort",
	"HTTPFaultInjection.Delay":              "percent fixedDelay exponentialDelay percentage",
	"HTTPFaultInjection.Abort":              "httpStatus grpcStatus http2Error percentage",
	"Percent":                               "value",
	"HTTPMirrorPolicy":                      "destination percentage",
	"CorsPolicy":                            "allowOrigin allowOrigins allowMethods allowHeaders exposeHeaders maxAge allowCredentials unmatchedPreflights",
	"DestinationRule":                       "host trafficPolicy subsets exportTo workloadSelector",
	"Subset":                                "name labels trafficPolicy",
	"TrafficPolicy":                         "loadBalancer connectionPool outlierDetection tls portLevelSettings retryBudget",
	"TrafficPolicy.RetryBudget":             "percent minRetryConcurrency",
	"TrafficPolicy.PortTrafficPolicy":       "port loadBalancer connectionPool outlierDetection tls",
	"LoadBalancerSettings":                  "simple consistentHash localityLbSetting warmupDurationSecs warmup",
	"LoadBalancerSettings.ConsistentHashLB": "httpHeaderName httpCookie useSourceIp httpQueryParameterName ringHash maglev minimumRingSize",
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie":           "name path ttl attributes",
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute": "name value",
	"LoadBalancerSettings.ConsistentHashLB.RingHash":             "minimumRingSize",
	"LoadBalancerSettings.ConsistentHashLB.MagLev":               "tableSize",
	"LocalityLoadBalancerSetting":                                "distribute failover failoverPriority enabled",
	"LocalityLoadBalancerSetting.Distribute":                     "from to",
	"LocalityLoadBalancerSetting.Failover":                       "from to",
	"WarmupConfiguration":                                        "duration minimumPercent aggression",
	"ConnectionPoolSettings":                                     "tcp http",
	"ConnectionPoolSettings.TCPSettings":                         "maxConnections connectTimeout tcpKeepalive maxConnectionDuration idleTimeout",
	"ConnectionPoolSettings.TCPSettings.TcpKeepalive":            "probes time interval",
	"ConnectionPoolSettings.HTTPSettings":                        "http1MaxPendingRequests http2MaxRequests maxRequestsPerConnection maxRetries idleTimeout h2UpgradePolicy maxConcurrentStreams http2KeepAlive",
	"ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive":    "interval timeout",
	"OutlierDetection":                                           "consecutiveErrors splitExternalLocalOriginErrors consecutiveLocalOriginFailures consecutiveGatewayErrors consecutive5xxErrors interval baseEjectionTime maxEjectionPercent minHealthPercent",
	"ClientTLSSettings":                                          "mode clientCertificate privateKey caCertificates subjectAltNames sni insecureSkipVerify caCrl",
	"ServiceEntry":                                               "addresses ports location endpoints workloadSelector exportTo subjectAltNames",
	"ServicePort":                                                "number protocol name targetPort",
	"WorkloadEntry":                                              "ports labels locality weight serviceAccount",
	"WorkloadSelector":                                           "labels",
}

// A field that a newer API brings must come to one list or the other.
func TestEveryFieldIsCarriedOutOrSaidNotToBe(t *testing.T) {
	const api = "istio.networking.v1alpha3."
	seen := map[protoreflect.FullName]bool{}
	var walk func(protoreflect.MessageDescriptor)
	walk = func(d protoreflect.MessageDescriptor) {
		if seen[d.FullName()] || d.ParentFile().Package() != "istio.networking.v1alpha3" {
			return
		}
		seen[d.FullName()] = true
		known := strings.Fields(carriedOut[strings.TrimPrefix(string(d.FullName()), api)])
		for i := range d.Fields().Len() {
			fd := d.Fields().Get(i)
			refused := slices.IndexFunc(notCarriedOut[d.FullName()], func(u unsupported) bool { return u.field == fd.JSONName() })
			switch {
			case refused >= 0 && notCarriedOut[d.FullName()][refused].when == nil:
				require.NotContains(t, known, fd.JSONName(), "%s", d.FullName())
				continue // what is below it does not count
			case refused < 0:
				require.Contains(t, known, fd.JSONName(), "%s is on neither list", fd.FullName())
			}
			if fd.IsMap() {
				fd = fd.MapValue()
			}
			if fd.Message() != nil {
				walk(fd.Message())
			}
		}
	}
	for _, m := range []proto.Message{
		&networking.VirtualService{}, &networking.DestinationRule{}, &networking.ServiceEntry{}, &networking.WorkloadEntry{},
	} {
		walk(m.ProtoReflect().Descriptor())
	}
	for name := range carriedOut {
		require.True(t, seen[protoreflect.FullName(api+name)], "nothing leads to %s", name)
	}
}
