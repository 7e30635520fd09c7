package istio

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	meshconfig "istio.io/api/mesh/v1alpha1"
)

// meshCarriedOut are the fields of MeshConfig that hold for clients and servers.
var meshCarriedOut = strings.Fields(`
connectTimeout tcpKeepalive h2UpgradePolicy dnsRefreshRate localityLbSetting defaultTrafficPolicy defaultHttpRetryPolicy
trustDomain trustDomainAliases rootNamespace pathNormalization extensionProviders defaultConfig
defaultVirtualServiceExportTo defaultDestinationRuleExportTo defaultServiceExportTo
`)

// ofNoMatter are the fields of MeshConfig that change nothing for a client, also
// where they mean much to proxies and to their control plane.
var ofNoMatter = []string{
	// Logs, metrics and traces are set up in Go.
	"accessLogEncoding", "accessLogFile", "accessLogFormat", "defaultProviders", "disableEnvoyListenerLog",
	"enableEnvoyAccessLogService", "enablePrometheusMerge", "enableTracing", "inboundClusterStatName", "outboundClusterStatName",
	// There is no proxy that listens, and no tunnel between proxies.
	"hboneIdleTimeout", "inboundTrafficPolicy", "protocolDetectionTimeout", "proxyHttpPort",
	"proxyInboundListenPort", "proxyListenPort",
	// There is no control plane: what is read is what the program gives.
	"configSources", "discoverySelectors", "ingressClass", "ingressControllerMode", "ingressSelector", "ingressService",
	"serviceScopeConfigs", "serviceSettings",
	// A process has the identity and the roots that it is given, verifies every
	// server, and leaves the TLS of connections to it to its server.
	"ca", "caCertificates", "certificates", "verifyCertificateAtClient",
}

// A setting that a newer API brings must come to one of the lists.
func TestEveryFieldOfMeshConfigIsCarriedOutOrSaidNotToBeOrOfNoMatter(t *testing.T) {
	var all []string
	fields := (&meshconfig.MeshConfig{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		all = append(all, fields.Get(i).JSONName())
	}
	listed := slices.Concat(meshCarriedOut, ofNoMatter)
	for _, f := range notCarriedOut["istio.mesh.v1alpha1.MeshConfig"] {
		listed = append(listed, f.field)
	}
	require.ElementsMatch(t, all, listed)
}

func TestSettingsOfTheMeshThatAskForNothingAreNoFindings(t *testing.T) {
	for _, setting := range []string{
		"enableAutoMtls: false",
		"outboundTrafficPolicy: {mode: ALLOW_ANY}",
		"serviceEntryVisibility: {defaultVisibility: NAMESPACE}",
		"tlsDefaults: {minProtocolVersion: TLSV1_3}",
		"meshMTLS: {minProtocolVersion: TLSV1_3}",
		"defaultConfig: {concurrency: 2}",
	} {
		t.Run(setting, func(t *testing.T) {
			c, err := Parse("mesh.yaml", strings.NewReader(meshConfig(setting)))
			require.NoError(t, err)
			client, err := NewClient(c, ClientConfig{})
			require.NoError(t, err)
			require.NoError(t, client.Close())
		})
	}
}
