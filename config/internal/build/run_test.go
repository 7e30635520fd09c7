package build

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/plan"
)

// at is a world with one service whose only endpoint is the address.
func at(resolution networking.ServiceEntry_Resolution, address string, port int) *plan.World {
	return &plan.World{
		ServiceEntries: []plan.Object[*networking.ServiceEntry]{{Namespace: "default", Name: "reviews", Source: "mesh.yaml:1", Spec: &networking.ServiceEntry{
			Hosts: []string{"reviews.example"}, Resolution: resolution,
			Ports:     []*networking.ServicePort{{Number: 80, Name: "http", Protocol: "HTTP", TargetPort: uint32(port)}},
			Endpoints: []*networking.WorkloadEntry{{Address: address}},
		}}},
	}
}

func portOfServer(t *testing.T, s *httptest.Server) int {
	t.Helper()
	_, text, _ := net.SplitHostPort(s.Listener.Addr().String())
	port, err := strconv.Atoi(text)
	require.NoError(t, err)
	return port
}

// addresses are the endpoints of the only cluster.
func addresses(m *Mesh) (all []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.clusters {
		for h := range c.upstream.Balancer().Hosts() {
			all = append(all, h.Addr())
		}
	}
	return all
}

func TestNamesOfEndpointsAreLookedUpWhileItRuns(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
	t.Cleanup(s.Close)
	port := portOfServer(t, s)
	m := client(t, at(networking.ServiceEntry_DNS, "localhost", port))
	status, text := ask(t, m)
	require.Equal(t, 200, status, "a name is good enough to connect to")
	require.Equal(t, "reviews.example", text)
	require.Equal(t, []string{"localhost:" + strconv.Itoa(port)}, addresses(m))

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	byAddress := func() bool { return len(addresses(m)) > 0 && addresses(m)[0] == s.Listener.Addr().String() }
	require.Eventually(t, byAddress, 30*time.Second, time.Millisecond)
	status, _ = ask(t, m)
	require.Equal(t, 200, status)

	require.NoError(t, m.Update(at(networking.ServiceEntry_DNS, "localhost", port+1)), "what is looked up changes with the resources")
	require.Eventually(t, func() bool {
		got := addresses(m)
		return len(got) > 0 && got[0] == "127.0.0.1:"+strconv.Itoa(port+1)
	}, 30*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestNamesAreLookedUpAsOftenAsTheMeshSays(t *testing.T) {
	w := at(networking.ServiceEntry_DNS, "localhost", 80)
	m := client(t, w)
	_, clusters := m.watched()
	require.Len(t, clusters, 1)
	require.Zero(t, m.lookups(clusters[0]).Interval, "the default")
	w.Mesh = &meshconfig.MeshConfig{DnsRefreshRate: durationpb.New(5 * time.Second)}
	require.NoError(t, m.Update(w))
	require.Equal(t, 5*time.Second, m.lookups(clusters[0]).Interval)
}

func TestARequestUnderWayEndsAsItBegan(t *testing.T) {
	came, release := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(came)
		<-release
		io.WriteString(w, "done")
	}))
	t.Cleanup(s.Close)
	m := client(t, at(networking.ServiceEntry_STATIC, "127.0.0.1", portOfServer(t, s)))
	var wg sync.WaitGroup
	wg.Go(func() {
		status, text := ask(t, m)
		if status != 200 || text != "done" {
			t.Errorf("got %d %q", status, text)
		}
	})
	<-came
	require.NoError(t, m.Update(&plan.World{}))
	status, text := ask(t, m)
	require.Equal(t, 503, status)
	require.Contains(t, text, "no resource names the host")
	close(release)
	wg.Wait()
}

func TestAWorldWithAProblemChangesNothing(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") }))
	t.Cleanup(s.Close)
	m := client(t, at(networking.ServiceEntry_STATIC, "127.0.0.1", portOfServer(t, s)))
	bad := at(networking.ServiceEntry_STATIC, "127.0.0.2", 1)
	bad.DestinationRules = []plan.Object[*networking.DestinationRule]{{Namespace: "default", Name: "reviews", Source: "mesh.yaml:9", Spec: &networking.DestinationRule{
		Host: "reviews.example", TrafficPolicy: &networking.TrafficPolicy{Tls: &networking.ClientTLSSettings{Mode: networking.ClientTLSSettings_ISTIO_MUTUAL}},
	}}}
	var problem *mesh.Problem
	require.ErrorAs(t, m.Update(bad), &problem)
	require.Equal(t, "mesh.yaml:9", problem.Source)
	status, text := ask(t, m)
	require.Equal(t, 200, status)
	require.Equal(t, "here", text)
	require.NoError(t, m.Close())
	require.ErrorContains(t, m.Update(&plan.World{}), "is closed")
}
