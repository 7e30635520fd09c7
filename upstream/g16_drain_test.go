package upstream_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/drain"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/upstream"
)

// A draining is a server that can leave and come back at its address.
type draining struct {
	drain  *drain.Drain
	server *http.Server
	addr   string
}

func startDraining(t *testing.T, addr string, served *atomic.Int64) *draining {
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	d := &draining{drain: new(drain.Drain), addr: l.Addr().String()}
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", d.drain.Ready)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		io.Copy(w, r.Body)
	})
	d.server = &http.Server{Handler: d.drain.Handler(mux), Protocols: new(http.Protocols)}
	d.server.Protocols.SetHTTP1(true)
	d.server.Protocols.SetUnencryptedHTTP2(true)
	go d.server.Serve(l) // until Shutdown
	t.Cleanup(func() { d.server.Close() })
	return d
}

// Three of three servers are restarted at a thousand POSTs a second. Not one fails
// and not one is served twice: servers say that they leave and the upstream
// listens. What crosses with a GOAWAY was not served, and is sent again.
func TestG16ARollingRestartThatIsAnnouncedFailsNothing(t *testing.T) {
	for _, protocol := range []upstream.Protocol{upstream.HTTP1, upstream.HTTP2} {
		t.Run(protocol.String(), func(t *testing.T) {
			var servers []*draining
			var sent, served atomic.Int64
			var addrs []string
			for range 3 {
				servers = append(servers, startDraining(t, "127.0.0.1:0", &served))
				addrs = append(addrs, servers[len(servers)-1].addr)
			}
			u := open(t, upstream.Config{
				Endpoints: lb.Addrs(addrs...), NoEjection: true,
				Health:      upstream.Health{Interval: 20 * time.Millisecond, Path: "/ready", Unhealthy: 1, Healthy: 1},
				Connections: upstream.Connections{Protocol: protocol},
			})
			go u.Run(t.Context())
			client := &http.Client{Transport: u}
			post := func() {
				sent.Add(1)
				res, err := client.Post("http://reviews/", "text/plain", strings.NewReader("once"))
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				if text, err := io.ReadAll(res.Body); err != nil || string(text) != "once" {
					t.Errorf("%s: %q, %v", res.Status, text, err)
				}
			}
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				var calls sync.WaitGroup
				defer calls.Wait()
				tick := time.NewTicker(time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						calls.Go(post)
					case <-stop:
						return
					}
				}
			}()
			healthy := func(addr string, want bool) {
				require.Eventually(t, func() bool { return u.Balancer().Host(addr).Healthy() == want }, 10*time.Second, time.Millisecond)
			}
			for i, s := range servers {
				require.NoError(t, s.drain.Shutdown(t.Context(), s.server, 200*time.Millisecond))
				healthy(s.addr, false)
				servers[i] = startDraining(t, s.addr, &served)
				healthy(s.addr, true)
			}
			close(stop)
			<-stopped
			require.Equal(t, sent.Load(), served.Load())
		})
	}
}

// The word of a host counts before any check has failed, and nothing counts as a
// failure. It comes back by as many checks as any other.
func TestAHostThatSaysThatItLeavesIsLeftAlone(t *testing.T) {
	leaves := http.Header{"X-Envoy-Immediate-Health-Check-Fail": {"true"}}
	for name, c := range map[string]struct {
		interval time.Duration
		want     int
	}{
		"where hosts are checked":      {time.Hour, 1},
		"not where none comes back by": {0, 5},
	} {
		t.Run(name, func(t *testing.T) {
			stays, goes := meshtest.NewUpstream(), meshtest.NewUpstream(meshtest.Reply{Header: leaves})
			u := open(t, upstream.Config{
				Endpoints: lb.Addrs("stays:80", "goes:80"), Balance: lb.Config{Algorithm: lb.RoundRobin{}},
				Health: upstream.Health{Interval: c.interval},
				Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.URL.Host == "goes:80" {
						return goes.RoundTrip(r)
					}
					return stays.RoundTrip(r)
				}),
			})
			for range 10 {
				_, _, err := get(u)
				require.NoError(t, err)
			}
			require.Len(t, goes.Requests(), c.want)
			require.Zero(t, u.Stats().Ejections.Detected)
		})
	}
}
