package mesh_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/discovery"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/upstream"
)

// A nameServer knows the addresses of one name.
type nameServer struct {
	mu    sync.Mutex
	addrs []netip.Addr // none: it fails
}

func (s *nameServer) set(addrs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addrs = nil
	for _, a := range addrs {
		s.addrs = append(s.addrs, netip.MustParseAddr(a))
	}
}

func (s *nameServer) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.addrs) == 0 {
		return nil, errors.New("server failure")
	}
	return s.addrs, nil
}

func (s *nameServer) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("there are none")
}

// A second address of a name gets its share within one interval, and a name server
// that fails for a minute costs no request.
func TestT12EndpointsFollowTheirName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meshtest.NewMesh(1, map[string]meshtest.Server{"10.0.0.1:80": {}, "10.0.0.2:80": {}})
		u, err := upstream.New(upstream.Config{Name: "reviews", Transport: m, Balance: lb.Config{Algorithm: lb.RoundRobin{}}})
		require.NoError(t, err)
		defer u.Close()
		var names nameServer
		names.set("10.0.0.1")
		const interval = 10 * time.Second
		d, err := discovery.NewDNS(discovery.DNSConfig{Endpoints: lb.Addrs("reviews.example:80"), Resolver: &names, Interval: interval, Rand: zero})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- d.Run(ctx, u.SetEndpoints) }()
		synctest.Wait()

		served := func(during time.Duration) map[string]int {
			before := len(m.Visits())
			m.Load(50, during, func() {
				r, _ := http.NewRequest(http.MethodGet, "http://reviews/", nil)
				res, err := u.RoundTrip(r)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
			})
			got := map[string]int{}
			for _, v := range m.Visits()[before:] {
				got[v.Addr]++
			}
			return got
		}
		require.Equal(t, map[string]int{"10.0.0.1:80": 1000}, served(2*interval))
		names.set("10.0.0.1", "10.0.0.2")
		require.Positive(t, served(interval * 6 / 5)["10.0.0.2:80"], "each wait is up to a fifth longer")
		names.set()
		require.Equal(t, map[string]int{"10.0.0.1:80": 1500, "10.0.0.2:80": 1500}, served(time.Minute))
		require.Error(t, d.Stats().Err)
		names.set("10.0.0.2")
		served(interval)
		require.Equal(t, map[string]int{"10.0.0.2:80": 500}, served(interval))
		stop()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}
