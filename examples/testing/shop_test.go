package testing

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/meshtest"
)

// network is the cluster: every endpoint that mesh.yaml names, with what befalls
// those of version 1 and of version 2.
func network(v1, v2 []meshtest.Fault) *meshtest.Mesh {
	server := func(text string, faults []meshtest.Fault) meshtest.Server {
		answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
		return meshtest.Server{Handler: answer, Latency: 10 * time.Millisecond, Jitter: 10 * time.Millisecond, Faults: faults}
	}
	return meshtest.NewMesh(2, map[string]meshtest.Server{
		"10.0.1.1:9080": server("v1", v1),
		"10.0.1.2:9080": server("v1", nil),
		"10.0.2.1:9080": server("v2", v2),
	})
}

// shop is the service with its mesh before that network. It returns how to load a
// page, and how many loads showed what.
func shop(t *testing.T, m *meshtest.Mesh) (load func(), pages func() map[string]int) {
	config, err := istio.ParseFiles("mesh.yaml")
	require.NoError(t, err)
	client, err := istio.NewClient(config, istio.ClientConfig{Transport: m, Rand: m.Rand})
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	service := NewShop(&http.Client{Transport: client})
	seen := make(chan string, 10_000)
	load = func() {
		w := httptest.NewRecorder()
		service.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/products/7", nil))
		seen <- strings.TrimPrefix(w.Body.String(), "product 7: ")
	}
	return load, func() map[string]int {
		counts := map[string]int{}
		for range len(seen) {
			counts[<-seen]++
		}
		return counts
	}
}

func TestATwentiethOfThePagesShowsTheCanary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := network(nil, nil)
		load, pages := shop(t, m)
		m.Load(20, time.Minute, load)
		counts := pages()
		require.Equal(t, 1200, counts["v1"]+counts["v2"])
		require.InDelta(t, 60, counts["v2"], 35) // more than four standard deviations
	})
}

// A canary that fails costs its own users their reviews: a request stays with its
// version, retries included.
func TestABrokenCanaryCostsItsShareAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := network(nil, []meshtest.Fault{{Reply: meshtest.Reply{Status: 500}}})
		load, pages := shop(t, m)
		m.Load(20, time.Minute, load)
		counts := pages()
		require.Zero(t, counts["v2"])
		require.InDelta(t, 60, counts["no reviews at the moment"], 35)
	})
}

// One of two endpoints is down for ten minutes, which takes well under a second
// here. No page lacks its reviews, and once it is ejected the endpoint is asked
// only to see whether it is back.
func TestAnOutageOfAnEndpointIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const outage = 10 * time.Minute
		m := network([]meshtest.Fault{{After: time.Minute, For: outage, Reply: meshtest.Reply{Err: meshtest.ErrRefused}}}, nil)
		load, pages := shop(t, m)
		m.Load(10, outage+2*time.Minute, load)
		require.Zero(t, pages()["no reviews at the moment"])
		refused := 0
		for _, v := range m.Visits() {
			if v.Addr == "10.0.1.1:9080" && v.Err != "" {
				refused++
			}
		}
		require.Less(t, refused, 100, "of 6,000 requests during the outage")
		require.Greater(t, refused, 5, "it was found out")
	})
}

// An endpoint that hangs costs a page one attempt's time. A retry looks for another
// endpoint up to five times, as Envoy does, so with two endpoints one in 64 meets
// the same again; with the mesh's seed none of these does, in every run alike.
func TestAHangingEndpointCostsOneAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := network([]meshtest.Fault{{Reply: meshtest.Reply{Delay: time.Hour}}}, nil)
		load, pages := shop(t, m)
		for range 20 {
			start := time.Now()
			load()
			require.Less(t, time.Since(start), time.Second)
		}
		require.Zero(t, pages()["no reviews at the moment"])
	})
}
