package plan_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/plan"
)

func TestWhereAPoolIsSilentTheMeshSpeaks(t *testing.T) {
	const (
		unset    = "0s DEFAULT none"
		timeout  = "connectTimeout: 3s\n"
		probes   = "tcpKeepalive: {probes: 3, time: 60s, interval: 5s}\n"
		upgrade  = "h2UpgradePolicy: UPGRADE\n"
		defaults = "defaultTrafficPolicy: {connectionPool: {tcp: {connectTimeout: 4s, tcpKeepalive: {probes: 4}}, http: {h2UpgradePolicy: DO_NOT_UPGRADE}}}\n"
	)
	for _, tt := range []struct {
		name     string
		pool     string // of the DestinationRule
		mesh     string
		protocol string // empty is HTTP
		want     string
	}{
		{"nobody says anything", "", "", "", unset},
		{"the mesh's connectTimeout holds without a rule", "", timeout, "", "3s DEFAULT none"},
		{"and beside what a rule says of other things", "tcp: {maxConnections: 1}", timeout, "", "3s DEFAULT none"},
		{"a rule's connectTimeout overrides it", "tcp: {connectTimeout: 1s}", timeout, "", "1s DEFAULT none"},
		{"so does that of defaultTrafficPolicy", "", timeout + defaults, "", "4s DO_NOT_UPGRADE 0s 0s 4"},
		{"which a rule with a pool does not have", "http: {maxRetries: 1}", timeout + defaults, "", "3s DEFAULT none"},
		{"the mesh's tcpKeepalive holds without a rule", "", probes, "", "0s DEFAULT 1m0s 5s 3"},
		{"a rule's overrides it field by field", "tcp: {tcpKeepalive: {time: 10s}}", probes, "", "0s DEFAULT 10s 5s 3"},
		{"in each of its fields", "tcp: {tcpKeepalive: {probes: 9, interval: 1s}}", probes, "", "0s DEFAULT 1m0s 1s 9"},
		{"a rule's stands alone without the mesh's", "tcp: {tcpKeepalive: {time: 10s}}", timeout, "", "3s DEFAULT 10s 0s 0"},
		{"an empty tcpKeepalive switches probes on", "", "tcpKeepalive: {}\n", "", "0s DEFAULT 0s 0s 0"},
		{"the mesh upgrades to HTTP/2", "", upgrade, "", "0s UPGRADE none"},
		{"for a rule that says DEFAULT, too", "http: {h2UpgradePolicy: DEFAULT}", upgrade, "", "0s UPGRADE none"},
		{"not for one that says not to", "http: {h2UpgradePolicy: DO_NOT_UPGRADE}", upgrade, "", "0s DO_NOT_UPGRADE none"},
		{"a rule upgrades where the mesh does not", "http: {h2UpgradePolicy: UPGRADE}", "h2UpgradePolicy: DO_NOT_UPGRADE\n", "", "0s UPGRADE none"},
		{"the mesh does not upgrade a port with TLS of its own", "", upgrade, "HTTPS", unset},
		{"nor one that is not said to speak HTTP", "", upgrade, "TCP", unset},
		{"a rule does", "http: {h2UpgradePolicy: UPGRADE}", upgrade, "HTTPS", "0s UPGRADE none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			protocol := tt.protocol
			if protocol == "" {
				protocol = "HTTP"
			}
			documents := serviceEntry(hostA, "resolution: STATIC\nports: [{number: 80, name: web, protocol: "+protocol+"}]\nendpoints: [{address: 10.0.0.1}]") +
				virtualService("vs", "hosts: [a]\nhttp: [{route: [{destination: {host: a, port: {number: 80}}}]}]")
			if tt.pool != "" {
				documents += destinationRule("a", "host: a\ntrafficPolicy: {connectionPool: {"+tt.pool+"}}")
			}
			if tt.mesh != "" {
				documents += "---\napiVersion: mesh.istio.io/v1alpha1\nkind: MeshConfig\n" + tt.mesh
			}
			target := planOf(t, documents, plan.Client{}).Clusters[plan.Cluster{Host: hostA, Port: 80}]
			require.NotNil(t, target)
			got := fmt.Sprint(target.Pool.GetTcp().GetConnectTimeout().AsDuration(), " ", target.Pool.GetHttp().GetH2UpgradePolicy(), " ")
			if k := target.Pool.GetTcp().GetTcpKeepalive(); k != nil {
				got += fmt.Sprint(k.Time.AsDuration(), " ", k.Interval.AsDuration(), " ", k.Probes)
			} else {
				got += "none"
			}
			require.Equal(t, tt.want, got)
		})
	}
}
