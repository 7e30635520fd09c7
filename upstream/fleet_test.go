package upstream_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/upstream"
)

// A fleet of servers is restarted one after the other while requests flow.
func TestARollingRestartFailsNoRepeatableRequest(t *testing.T) {
	for _, protocol := range []upstream.Protocol{upstream.HTTP1, upstream.HTTP2} {
		t.Run(protocol.String(), func(t *testing.T) {
			at, names := new(places), []string{"one:80", "two:80", "three:80"}
			servers := map[string]*http.Server{}
			start := func(name string) {
				l, err := at.listen(name)
				require.NoError(t, err)
				s := &http.Server{
					Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }),
					Protocols: new(http.Protocols),
				}
				s.Protocols.SetHTTP1(true)
				s.Protocols.SetUnencryptedHTTP2(true)
				go s.Serve(l)
				servers[name] = s
			}
			for _, name := range names {
				start(name)
			}
			u := open(t, upstream.Config{Endpoints: lb.Addrs(names...), Dial: at.dial, Connections: upstream.Connections{Protocol: protocol}})
			stop := make(chan struct{})
			var sent [8]atomic.Int64
			var failed atomic.Int64
			var wait sync.WaitGroup
			for i := range sent {
				wait.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						if _, _, err := get(u); err != nil {
							failed.Add(1)
							t.Error(err)
						}
						sent[i].Add(1)
					}
				})
			}
			// A request is repeated once, and does not last until a second server of three
			// is restarted: those under way end before.
			settle := func() {
				for i := range sent {
					before := sent[i].Load()
					require.Eventually(t, func() bool { return sent[i].Load() > before+12 }, time.Minute, time.Millisecond)
				}
			}
			for _, name := range names {
				settle()
				require.NoError(t, servers[name].Shutdown(t.Context()))
				at.left(name)
				start(name)
			}
			settle()
			close(stop)
			wait.Wait()
			for _, s := range servers {
				s.Close()
			}
			require.Zero(t, failed.Load())
		})
	}
}

// A server that answers each request with GOAWAY.
func TestAStormOfGOAWAYFailsNoRepeatableRequest(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // HTTP/2: GOAWAY
		io.WriteString(w, "ok")
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	budget, err := retry.NewBudget(retry.BudgetConfig{MaxConcurrent: 100})
	require.NoError(t, err)
	// Each connection serves one request at least before it refuses others: of so many
	// requests none is refused more often.
	const callers, each = 16, 20
	u := open(t, upstream.Config{
		Endpoints:   lb.Addrs(s.Listener.Addr().String()),
		Connections: upstream.Connections{Protocol: upstream.HTTP2},
		Retry:       retry.Config{Attempts: callers * each, Budget: budget, Backoff: retry.Backoff{Base: time.Millisecond}},
		NoEjection:  true,
	})
	var wait sync.WaitGroup
	for range callers {
		wait.Go(func() {
			for range each {
				_, text, err := get(u)
				if err != nil || text != "ok" {
					t.Errorf("%q, %v", text, err)
				}
			}
		})
	}
	wait.Wait()
	require.Zero(t, u.Stats().Connections.Active)
}

// Endpoints change all the time under load.
func TestEndpointsThatComeAndGoFailNoRequest(t *testing.T) {
	h := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") }
	addrs := []string{serve(t, h), serve(t, h), serve(t, h), serve(t, h)}
	u := open(t, upstream.Config{Endpoints: lb.Addrs(addrs...)})
	get(u)
	goroutines := runtime.NumGoroutine()
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, _, err := get(u); err != nil {
					t.Error(err)
				}
			}
		})
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := range 500 {
		<-tick.C
		require.NoError(t, u.SetEndpoints(lb.Addrs(addrs[i%4], addrs[(i+1)%4])))
	}
	close(stop)
	wait.Wait()
	require.NoError(t, u.SetEndpoints(nil))
	require.Eventually(t, func() bool { return u.Stats().Connections.Open == 0 }, time.Minute, time.Millisecond)
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+5 }, time.Minute, 10*time.Millisecond)
}
