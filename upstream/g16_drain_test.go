package upstream_test

import (
	"io"
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
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/upstream"
)

// A draining is a server that can leave and come back under its name.
type draining struct {
	drain  *drain.Drain
	server *http.Server
	told   atomic.Int64 // checks of readiness that heard that it leaves
}

func startDraining(t *testing.T, at *places, name string, served *atomic.Int64) *draining {
	l, err := at.listen(name)
	require.NoError(t, err)
	d := &draining{drain: new(drain.Drain)}
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", func(w http.ResponseWriter, r *http.Request) {
		if d.drain.Draining() {
			d.told.Add(1)
		}
		d.drain.Ready(w, r)
	})
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

// calls are under way, and can be waited for while others begin.
type calls struct {
	mu  sync.Mutex
	now *sync.WaitGroup
}

func (c *calls) begin(call func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.Go(call)
}

// end waits for those that have begun.
func (c *calls) end() {
	c.mu.Lock()
	before := c.now
	c.now = new(sync.WaitGroup)
	c.mu.Unlock()
	before.Wait()
}

// Three of three servers are restarted at a thousand POSTs a second. Not one fails
// and not one is served twice: servers say that they leave and the upstream
// listens. What crosses with a GOAWAY was not served, and is sent again. The notice
// lasts until the upstream has heard of it and what it sent before has ended, however
// long that takes here.
func TestG16ARollingRestartThatIsAnnouncedFailsNothing(t *testing.T) {
	for _, protocol := range []upstream.Protocol{upstream.HTTP1, upstream.HTTP2} {
		t.Run(protocol.String(), func(t *testing.T) {
			var sent, served atomic.Int64
			at, names := new(places), []string{"one:80", "two:80", "three:80"}
			servers := map[string]*draining{}
			for _, name := range names {
				servers[name] = startDraining(t, at, name, &served)
			}
			// A slow machine has many under way, and all of them may cross with a GOAWAY.
			budget, err := retry.NewBudget(retry.BudgetConfig{MaxConcurrent: 1 << 20})
			require.NoError(t, err)
			u := open(t, upstream.Config{
				Endpoints: lb.Addrs(names...), NoEjection: true, Dial: at.dial, Retry: retry.Config{Budget: budget},
				Health:      upstream.Health{Interval: 20 * time.Millisecond, Timeout: time.Minute, Path: "/ready", Unhealthy: 1, Healthy: 1},
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
			posts := calls{now: new(sync.WaitGroup)}
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				tick := time.NewTicker(time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						posts.begin(post)
					case <-stop:
						return
					}
				}
			}()
			until := func(happened func() bool) { require.Eventually(t, happened, time.Minute, time.Millisecond) }
			for _, name := range names {
				s, host := servers[name], u.Balancer().Host(name)
				s.drain.Begin()
				// When the second check comes the first has taken effect, and no answer of
				// a check before can undo it.
				until(func() bool { return s.told.Load() > 1 })
				require.False(t, host.Healthy())
				posts.end()
				require.NoError(t, s.drain.Shutdown(t.Context(), s.server, 0))
				at.left(name)
				startDraining(t, at, name, &served)
				until(host.Healthy)
			}
			close(stop)
			<-stopped
			posts.end()
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
