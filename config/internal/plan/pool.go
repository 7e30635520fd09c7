package plan

import (
	"slices"

	"google.golang.org/protobuf/proto"
	mesh "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"
)

// pool is the connection pool of a policy with the mesh's own settings where it is
// silent: connectTimeout, each field of tcpKeepalive, and h2UpgradePolicy. Those of
// defaultTrafficPolicy are a policy's already. What is written stays as it is.
func pool(own *networking.ConnectionPoolSettings, protocol string, m *mesh.MeshConfig) *networking.ConnectionPoolSettings {
	upgrade := m.GetH2UpgradePolicy() == mesh.MeshConfig_UPGRADE && isHTTP(protocol)
	if m.GetConnectTimeout() == nil && m.GetTcpKeepalive() == nil && !upgrade {
		return own
	}
	all := &networking.ConnectionPoolSettings{}
	if own != nil {
		all = proto.CloneOf(own)
	}
	if all.Tcp == nil {
		all.Tcp = &networking.ConnectionPoolSettings_TCPSettings{}
	}
	if all.Tcp.ConnectTimeout == nil {
		all.Tcp.ConnectTimeout = m.ConnectTimeout
	}
	all.Tcp.TcpKeepalive = keepalive(all.Tcp.TcpKeepalive, m.TcpKeepalive)
	if upgrade && all.Http.GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_DEFAULT {
		if all.Http == nil {
			all.Http = &networking.ConnectionPoolSettings_HTTPSettings{}
		}
		all.Http.H2UpgradePolicy = networking.ConnectionPoolSettings_HTTPSettings_UPGRADE
	}
	return all
}

type tcpKeepalive = networking.ConnectionPoolSettings_TCPSettings_TcpKeepalive

// keepalive is own with the mesh's fields where it is silent. Nil is none.
func keepalive(own, ofMesh *tcpKeepalive) *tcpKeepalive {
	switch {
	case ofMesh == nil:
		return own
	case own == nil:
		return ofMesh
	}
	if own.Probes == 0 {
		own.Probes = ofMesh.Probes
	}
	if own.Time == nil {
		own.Time = ofMesh.Time
	}
	if own.Interval == nil {
		own.Interval = ofMesh.Interval
	}
	return own
}

// isHTTP reports whether a port is said to speak HTTP without TLS. The mesh upgrades
// connections to no other.
func isHTTP(protocol string) bool {
	return slices.Contains([]string{"HTTP", "HTTP_PROXY", "HTTP2", "GRPC", "GRPC-WEB"}, protocol)
}
