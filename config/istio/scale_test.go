package istio_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/costtest"
)

// fleet are documents of services with a VirtualService of so many rules each.
func fleet(services, rules int) string {
	var b strings.Builder
	for i := range services {
		fmt.Fprintf(&b, `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: s%[1]d}
spec:
  hosts: [s%[1]d.example.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 10.0.%[2]d.%[3]d}]
`, i, i/250, i%250+1)
		if rules > 0 {
			virtualServiceOf(&b, i, rules)
		}
	}
	return b.String()
}

// virtualServiceOf is that of service i.
func virtualServiceOf(b *strings.Builder, i, rules int) {
	fmt.Fprintf(b, `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: s%[1]d}
spec:
  hosts: [s%[1]d.example.com]
  http:
`, i)
	for j := range rules {
		fmt.Fprintf(b, `  - name: r%[2]d
    match:
    - uri: {prefix: /api/%[2]d/}
      headers: {x-version: {exact: "%[2]d"}}
    route:
    - destination: {host: s%[1]d.example.com}
    timeout: %[2]ds
    retries: {attempts: 3, perTryTimeout: 250ms, retryOn: "5xx,reset"}
`, i, j+1)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// clientOf is a client whose requests are answered at once.
func clientOf(t testing.TB, c *istio.Config) *istio.Client {
	t.Helper()
	client, err := istio.NewClient(c, istio.ClientConfig{Transport: answers{}})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func TestAThousandVirtualServicesCompileInTheTimeTheirYAMLTakes(t *testing.T) {
	documents := fleet(1000, 10)
	config := parse(t, documents)
	costtest.AtMost(t, 1, func() { clientOf(t, config) }, func() { parse(t, documents) })
}

func TestAVirtualServiceOfTenRulesTakesLessThan20KiB(t *testing.T) {
	const n = 300
	sizeOf := func(rules int) uint64 {
		config := parse(t, fleet(n, rules))
		before := heap()
		client := clientOf(t, config)
		size := heap() - before
		runtime.KeepAlive(client)
		runtime.KeepAlive(config)
		return size
	}
	sizeOf(10) // what is made once a process
	services := sizeOf(0)
	require.Less(t, (sizeOf(10)-services)/n, uint64(20<<10))
}

func TestARequestAllocatesAsMuchAmongThousandsOfRulesAsAmongTen(t *testing.T) {
	allocations := func(services int) float64 {
		client := clientOf(t, parse(t, fleet(services, 2)))
		r, err := http.NewRequest("GET", fmt.Sprintf("http://s%d.example.com/api/2/x", services-1), nil)
		require.NoError(t, err)
		r.Header.Set("x-version", "2")
		return testing.AllocsPerRun(200, func() {
			res, err := client.RoundTrip(r)
			if err != nil || res.StatusCode != 200 {
				t.Fatal(res, err)
			}
			res.Body.Close()
		})
	}
	require.InDelta(t, allocations(5), allocations(1000), 1)
}
