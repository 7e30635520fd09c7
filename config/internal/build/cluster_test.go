package build

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

func settled(t *testing.T, p plan.Policy) upstream.Config {
	t.Helper()
	u := &update{mesh: &Mesh{}, world: &plan.World{}}
	c, err := u.upstreamConfig(plan.Cluster{Host: "a", Port: 80}, &plan.Target{Service: &plan.Service{}, Policy: p, Pool: p.ConnectionPool})
	require.NoError(t, err)
	return c
}

func TestConnectionPools(t *testing.T) {
	second := durationpb.New(time.Second)
	c := settled(t, plan.Policy{ConnectionPool: &networking.ConnectionPoolSettings{
		Tcp: &networking.ConnectionPoolSettings_TCPSettings{
			MaxConnections: 1, ConnectTimeout: second, MaxConnectionDuration: durationpb.New(time.Hour),
		},
		Http: &networking.ConnectionPoolSettings_HTTPSettings{
			Http1MaxPendingRequests: 2, Http2MaxRequests: 3, MaxRequestsPerConnection: 4, MaxConcurrentStreams: 5,
			IdleTimeout:    durationpb.New(time.Minute),
			Http2KeepAlive: &networking.ConnectionPoolSettings_HTTPSettings_ConnectionKeepalive{Interval: second, Timeout: durationpb.New(2 * time.Second)},
		},
	}})
	require.Equal(t, 1, c.Breaker.Limits.MaxConnections)
	require.Equal(t, 2, c.Breaker.Limits.MaxPending)
	require.Equal(t, 3, c.Breaker.Limits.MaxRequests)
	require.Equal(t, upstream.Connections{
		MaxRequests: 4, MaxStreams: 5, Connect: time.Second, MaxAge: time.Hour, Idle: time.Minute,
		PingAfter: time.Second, PingTimeout: 2 * time.Second, Protocol: upstream.Negotiated,
	}, c.Connections)

	forever := settled(t, plan.Policy{ConnectionPool: &networking.ConnectionPoolSettings{
		Tcp: &networking.ConnectionPoolSettings_TCPSettings{IdleTimeout: durationpb.New(0)},
	}})
	require.Negative(t, forever.Connections.Idle, "zero is for ever there")
}

func TestWhatIsNotSaidOfProbesIsTheSystems(t *testing.T) {
	for _, tc := range []struct {
		name string
		yaml *networking.ConnectionPoolSettings_TCPSettings_TcpKeepalive
		want net.KeepAliveConfig
	}{
		{"nothing said", &networking.ConnectionPoolSettings_TCPSettings_TcpKeepalive{}, net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1}},
		{
			"only the time", &networking.ConnectionPoolSettings_TCPSettings_TcpKeepalive{Time: durationpb.New(time.Minute)},
			net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: -1, Count: -1},
		},
		{
			"everything said", &networking.ConnectionPoolSettings_TCPSettings_TcpKeepalive{
				Time: durationpb.New(time.Minute), Interval: durationpb.New(time.Second), Probes: 3,
			},
			net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: time.Second, Count: 3},
		},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, keepAlive(tc.yaml)) })
	}
}

func TestProtocolsOfConnections(t *testing.T) {
	const (
		unset   = networking.ConnectionPoolSettings_HTTPSettings_DEFAULT
		upgrade = networking.ConnectionPoolSettings_HTTPSettings_UPGRADE
		never   = networking.ConnectionPoolSettings_HTTPSettings_DO_NOT_UPGRADE
	)
	for _, tc := range []struct {
		policy networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy
		port   string
		want   upstream.Protocol
	}{
		{unset, "HTTP", upstream.Negotiated},
		{upgrade, "HTTP", upstream.HTTP2},
		{never, "HTTP", upstream.HTTP1},
		{unset, "HTTP2", upstream.HTTP2},
		{unset, "GRPC", upstream.HTTP2},
		{never, "GRPC", upstream.HTTP2},
		{upgrade, "HTTPS", upstream.HTTP2},
	} {
		require.Equal(t, tc.want, protocolOf(tc.policy, tc.port), "%v on %s", tc.policy, tc.port)
	}
}

func TestUpgradedConnectionsSpeakHTTP2InPlainText(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	const (
		unset   = networking.ConnectionPoolSettings_HTTPSettings_DEFAULT
		upgrade = networking.ConnectionPoolSettings_HTTPSettings_UPGRADE
		never   = networking.ConnectionPoolSettings_HTTPSettings_DO_NOT_UPGRADE
	)
	for _, tc := range []struct {
		policy networking.ConnectionPoolSettings_HTTPSettings_H2UpgradePolicy
		mesh   *meshconfig.MeshConfig
		want   string
	}{
		{unset, nil, "HTTP/1.1"},
		{upgrade, nil, "HTTP/2.0"},
		{unset, &meshconfig.MeshConfig{H2UpgradePolicy: meshconfig.MeshConfig_UPGRADE}, "HTTP/2.0"},
		{never, &meshconfig.MeshConfig{H2UpgradePolicy: meshconfig.MeshConfig_UPGRADE}, "HTTP/1.1"},
	} {
		w := at(networking.ServiceEntry_STATIC, "127.0.0.1", portOfServer(t, s))
		w.DestinationRules = []plan.Object[*networking.DestinationRule]{{Namespace: "default", Name: "reviews", Spec: &networking.DestinationRule{
			Host: "reviews.example", TrafficPolicy: &networking.TrafficPolicy{ConnectionPool: &networking.ConnectionPoolSettings{
				Http: &networking.ConnectionPoolSettings_HTTPSettings{H2UpgradePolicy: tc.policy},
			}},
		}}}
		w.Mesh = tc.mesh
		status, text := ask(t, client(t, w))
		require.Equal(t, 200, status, text)
		require.Equal(t, tc.want, text)
	}
}

// What is not set has Istio's default, or else Envoy's.
func TestOutlierDetection(t *testing.T) {
	number := func(n uint32) *wrapperspb.UInt32Value { return wrapperspb.UInt32(n) }
	for _, tc := range []struct {
		name string
		yaml *networking.OutlierDetection
		want outlier.Config
	}{
		{"nothing said", &networking.OutlierDetection{}, outlier.Config{MaxEjected: mesh.Percent(10)}},
		{
			"everything said", &networking.OutlierDetection{
				Consecutive_5XxErrors: number(7), ConsecutiveGatewayErrors: number(3), Interval: durationpb.New(2 * time.Second),
				BaseEjectionTime: durationpb.New(10 * time.Minute), MaxEjectionPercent: 50,
				SplitExternalLocalOriginErrors: true, ConsecutiveLocalOriginFailures: number(4),
			},
			outlier.Config{
				Consecutive5xx: 7, ConsecutiveGateway: 3, Interval: 2 * time.Second, BaseEjection: 10 * time.Minute,
				MaxEjected: mesh.Percent(50), Split: true, ConsecutiveLocal: 4, MaxEjection: 10 * time.Minute,
			},
		},
		{
			"zero is off", &networking.OutlierDetection{Consecutive_5XxErrors: number(0), ConsecutiveGatewayErrors: number(0), SplitExternalLocalOriginErrors: true},
			outlier.Config{Consecutive5xx: -1, ConsecutiveGateway: -1, Split: true, ConsecutiveLocal: -1, MaxEjected: mesh.Percent(10)},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := settled(t, plan.Policy{OutlierDetection: tc.yaml})
			require.False(t, c.NoEjection)
			tc.want.Merge = time.Second
			if tc.want.MaxEjection == 0 {
				tc.want.MaxEjection = 5 * time.Minute
			}
			require.Equal(t, tc.want, c.Ejection)
		})
	}
	require.True(t, settled(t, plan.Policy{}).NoEjection)
}

func TestBalancersAndTheirWarmup(t *testing.T) {
	warm := &networking.WarmupConfiguration{Duration: durationpb.New(time.Minute), MinimumPercent: wrapperspb.Double(20), Aggression: wrapperspb.Double(2)}
	for _, tc := range []struct {
		name   string
		simple networking.LoadBalancerSettings_SimpleLB
		want   lb.Algorithm
		warmup lb.Warmup
	}{
		{"the default", networking.LoadBalancerSettings_UNSPECIFIED, lb.LeastRequest{}, lb.Warmup{For: time.Minute, Min: mesh.Percent(20), Aggression: 2}},
		{"round robin", networking.LoadBalancerSettings_ROUND_ROBIN, lb.RoundRobin{}, lb.Warmup{For: time.Minute, Min: mesh.Percent(20), Aggression: 2}},
		{"least request by its old name", networking.LoadBalancerSettings_LEAST_CONN, lb.LeastRequest{}, lb.Warmup{For: time.Minute, Min: mesh.Percent(20), Aggression: 2}},
		{"random, which warms nothing up", networking.LoadBalancerSettings_RANDOM, lb.Random{}, lb.Warmup{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := settled(t, plan.Policy{LoadBalancer: &networking.LoadBalancerSettings{
				LbPolicy: &networking.LoadBalancerSettings_Simple{Simple: tc.simple}, Warmup: warm,
			}})
			require.Equal(t, tc.want, c.Balance.Algorithm)
			require.Equal(t, tc.warmup, c.Balance.Warmup)
		})
	}
}
