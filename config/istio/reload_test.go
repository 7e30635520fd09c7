package istio_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/istio"
)

// reloaded are documents of a service at good, of one at good and bad that ejects,
// and of a rule that differs from one version to the next.
func reloaded(good, bad string, version int) string {
	entry := func(name, endpoints string) string {
		return fmt.Sprintf(`---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: %[1]s}
spec:
  hosts: [%[1]s.example.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [%[2]s]
`, name, endpoints)
	}
	endpoint := func(address string) string {
		ip, port, _ := strings.Cut(address, ":")
		return fmt.Sprintf("{address: %s, ports: {http: %s}}", ip, port)
	}
	return entry("steady", endpoint(good)) + entry("ejecting", endpoint(good)+", "+endpoint(bad)) + fmt.Sprintf(`---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ejecting}
spec:
  host: ejecting.example.com
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 300s, maxEjectionPercent: 50}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: steady}
spec:
  hosts: [steady.example.com]
  http:
  - match: [{uri: {prefix: /v%[1]d}}]
    directResponse: {status: 204}
  - route: [{destination: {host: steady.example.com}}]
    timeout: %[2]ds
`, version, 10+version%2)
}

func TestAHundredReloadsUnderLoadLoseNothing(t *testing.T) {
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
	defer good.Close()
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }))
	defer bad.Close()
	config := func(version int) *istio.Config {
		return parse(t, reloaded(good.Listener.Addr().String(), bad.Listener.Addr().String(), version))
	}
	client, err := istio.NewClient(config(0), istio.ClientConfig{})
	require.NoError(t, err)
	defer client.Close()
	status := func(host string) int {
		r, _ := http.NewRequest("GET", "http://"+host+"/x", nil)
		res, err := client.RoundTrip(r)
		if err != nil {
			return 0
		}
		res.Body.Close()
		return res.StatusCode
	}
	// The bad endpoint is found out. It stays out for 300 s, which is told to the
	// balancer within the second in which changes are gathered.
	ejected := func() bool {
		r, _ := http.NewRequest("GET", "http://ejecting.example.com/", nil)
		for _, e := range client.Explain(r).Destinations[0].Endpoints {
			if e.Address == bad.Listener.Addr().String() {
				return e.Ejected
			}
		}
		return false
	}
	require.Eventually(t, func() bool { return status("ejecting.example.com") == 200 && ejected() }, 30*time.Second, time.Millisecond)

	load := func(reloads func()) (requests, failed int64) {
		var sent, lost atomic.Int64
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				tick := time.NewTicker(3 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-stop:
						return
					case <-tick.C:
						sent.Add(1)
						if status("steady.example.com") != 200 || status("ejecting.example.com") != 200 {
							lost.Add(1)
						}
					}
				}
			})
		}
		reloads()
		close(stop)
		wg.Wait()
		return sent.Load(), lost.Load()
	}
	reload := func(n int) {
		for i := range n {
			require.NoError(t, client.Update(config(i)))
			time.Sleep(5 * time.Millisecond) // some requests pass under each
		}
	}
	load(func() { reload(10) }) // so that connections and pools are there
	before, goroutines := heap(), runtime.NumGoroutine()
	requests, failed := load(func() { reload(100) })
	require.Greater(t, requests, int64(100), "some under each of the versions")
	require.Zero(t, failed, "of %d", requests)
	require.True(t, ejected(), "the ejection outlives the reloads")
	require.Less(t, int64(heap())-int64(before), int64(1<<20))
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+4 }, 30*time.Second, 10*time.Millisecond)
}

// What Istio calls a circuit breaker is a limit. One that is reached stays reached as
// long as what reached it lasts, whatever else is reloaded.
func TestALimitThatIsReachedStaysReachedOverReloads(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(began)
			<-end
		}
	}))
	defer slow.Close()
	config := func(version int) *istio.Config {
		limited := strings.ReplaceAll(reloaded(slow.Listener.Addr().String(), slow.Listener.Addr().String(), version),
			"outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 300s, maxEjectionPercent: 50}",
			"connectionPool: {http: {http2MaxRequests: 1}}")
		return parse(t, limited)
	}
	client, err := istio.NewClient(config(0), istio.ClientConfig{})
	require.NoError(t, err)
	defer client.Close()
	get := func(path string) (status int, flag mesh.Flag) {
		r, _ := http.NewRequest("GET", "http://ejecting.example.com"+path, nil)
		res, err := client.RoundTrip(r)
		require.NoError(t, err)
		defer res.Body.Close()
		if err := mesh.ErrorOf(res); err != nil {
			flag = mesh.AsError(err).Flag
		}
		return res.StatusCode, flag
	}
	var done sync.WaitGroup
	done.Go(func() { get("/slow") })
	<-began
	for i := range 20 {
		require.NoError(t, client.Update(config(i)))
		status, flag := get("/")
		require.Equal(t, "503 UO", fmt.Sprint(status, " ", flag), "after reload %d", i)
	}
	close(end)
	done.Wait()
	require.Eventually(t, func() bool { status, _ := get("/"); return status == 200 }, 30*time.Second, time.Millisecond)
}
