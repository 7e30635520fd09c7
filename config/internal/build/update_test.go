package build_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
	meshconfig "istio.io/api/mesh/v1alpha1"

	"github.com/sidecarless/mesh/config/internal/build"
)

// counting is a server and the connections to it that are open.
func counting(t *testing.T) (dial func(context.Context, string, string) (net.Conn, error), open *atomic.Int64) {
	open = new(atomic.Int64)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, server.Listener.Addr().String())
	}, open
}

func get(t *testing.T, m *build.Mesh, host string) int {
	r, err := http.NewRequest(http.MethodGet, "http://"+host+"/", nil)
	require.NoError(t, err)
	res, err := m.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode
}

// piped connects to a server within the bubble of a test.
func piped(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		for r := bufio.NewReader(server); ; {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}()
	return client, nil
}

func TestARequestThatWaitsIsSentWhenItsDestinationIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := worldOf(t, "loadBalancer: {simple: RANDOM}", "fault: {delay: {percentage: {value: 100}, fixedDelay: 300ms}}")
		m, err := build.New(held, build.Options{Dial: piped})
		require.NoError(t, err)
		defer m.Close()
		status := make(chan int)
		began := time.Now()
		go func() { status <- get(t, m, "s1.example.com") }()
		synctest.Wait()
		require.EqualValues(t, 1, m.Users())
		held.ServiceEntries, held.VirtualServices, held.DestinationRules = nil, nil, nil
		require.NoError(t, m.Update(held))
		require.Zero(t, time.Since(began), "an update waits for nobody")
		require.Equal(t, http.StatusOK, <-status)
		require.Equal(t, 300*time.Millisecond, time.Since(began))
		require.Equal(t, http.StatusServiceUnavailable, get(t, m, "s1.example.com"))
	})
}

func TestADestinationWhosePolicyChangesLeavesNoConnectionsBehind(t *testing.T) {
	dial, open := counting(t)
	m, err := build.New(worldOf(t, "loadBalancer: {simple: RANDOM}", "timeout: 5s"), build.Options{Dial: dial})
	require.NoError(t, err)
	for n := range 10 {
		require.Equal(t, http.StatusOK, get(t, m, "s1.example.com"))
		policy := fmt.Sprintf("outlierDetection: {consecutive5xxErrors: %d}", n+1)
		require.NoError(t, m.Update(worldOf(t, policy, "timeout: 5s")))
	}
	require.NoError(t, m.Close())
	require.Eventually(t, func() bool { return open.Load() == 0 }, 30*time.Second, time.Millisecond)
}

func TestADestinationTakesUpWhatTheMeshChanges(t *testing.T) {
	m, err := build.New(worldOf(t, "loadBalancer: {simple: RANDOM}", "timeout: 5s"), build.Options{})
	require.NoError(t, err)
	before := slices.Collect(m.Upstreams())
	require.NoError(t, m.Update(worldOf(t, "loadBalancer: {simple: RANDOM}", "timeout: 5s")))
	require.True(t, slices.Equal(before, slices.Collect(m.Upstreams())), "nothing has changed")

	changed := worldOf(t, "loadBalancer: {simple: RANDOM}", "timeout: 5s")
	changed.Mesh = &meshconfig.MeshConfig{ConnectTimeout: durationpb.New(time.Second)}
	require.NoError(t, m.Update(changed))
	for u := range m.Upstreams() {
		require.False(t, slices.Contains(before, u), u.Name())
	}
	require.NoError(t, m.Close())
}
