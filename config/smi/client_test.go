package smi

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/meshtest"
)

// network has an upstream for each service and counts what they get.
type network struct {
	mu   sync.Mutex
	made map[string]int
	seen map[string]int
}

func newNetwork() *network { return &network{made: map[string]int{}, seen: map[string]int{}} }

func (n *network) upstream(service string) (http.RoundTripper, error) {
	n.made[service]++
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.seen[service]++
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	}), nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// send sends n requests and tells who got how many.
func (n *network) send(t *testing.T, c http.RoundTripper, times int, header ...string) map[string]int {
	n.seen = map[string]int{}
	for range times {
		r, err := http.NewRequest(http.MethodGet, "http://web/", http.NoBody)
		require.NoError(t, err)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := c.RoundTrip(r)
		require.NoError(t, err)
		res.Body.Close()
	}
	return n.seen
}

func splitOf(backends ...Backend) TrafficSplit {
	return TrafficSplit{Namespace: "shop", Name: "canary", Service: "web", Backends: backends}
}

func TestSharesFollowTheWeights(t *testing.T) {
	for _, weights := range [][]int64{{900, 100}, {1, 999}, {333, 333, 334}, {500, 0, 500}} {
		t.Run(fmt.Sprint(weights), func(t *testing.T) {
			var s TrafficSplit
			var total int64
			for i, w := range weights {
				s.Backends = append(s.Backends, Backend{fmt.Sprint("v", i), w})
				total += w
			}
			s.Service = "web"
			n := newNetwork()
			c, err := NewClient(s, ClientConfig{Upstream: n.upstream})
			require.NoError(t, err)
			const sent = 150_000
			seen := n.send(t, c, sent)
			chi := 0.0
			for _, b := range s.Backends {
				if b.Milli == 0 {
					require.Zero(t, seen[b.Service])
					continue
				}
				want := sent * float64(b.Milli) / float64(total)
				chi += (float64(seen[b.Service]) - want) * (float64(seen[b.Service]) - want) / want
			}
			require.Less(t, chi, 30.0) // at two degrees of freedom one run in three million
		})
	}
}

func TestLeavesWithoutEndpointsAreLeftOut(t *testing.T) {
	n := newNetwork()
	c, err := NewClient(splitOf(Backend{"v1", 900}, Backend{"v2", 50}, Backend{"v3", 50}), ClientConfig{Upstream: n.upstream})
	require.NoError(t, err)
	require.NoError(t, c.SetAvailable("v1", false))
	seen := n.send(t, c, 1000)
	require.Zero(t, seen["v1"])
	require.InDelta(t, 500, seen["v2"], 100)

	require.NoError(t, c.SetAvailable("v2", false))
	require.NoError(t, c.SetAvailable("v3", false))
	_, err = c.RoundTrip(request(t, nil))
	require.Equal(t, mesh.NoHealthyUpstream, mesh.FlagOf(err))
	require.Equal(t, http.StatusServiceUnavailable, mesh.StatusOf(err))

	require.NoError(t, c.SetAvailable("v1", true))
	require.Equal(t, map[string]int{"v1": 100}, n.send(t, c, 100))
}

func TestKeptSharesFail(t *testing.T) {
	n := newNetwork()
	c, err := NewClient(splitOf(Backend{"v1", 1}, Backend{"v2", 1}), ClientConfig{Upstream: n.upstream, KeepShares: true})
	require.NoError(t, err)
	require.NoError(t, c.SetAvailable("v2", false))
	failed := 0
	for range 1000 {
		if _, err := c.RoundTrip(request(t, nil)); err != nil {
			failed++
			var e *mesh.Error
			require.True(t, errors.As(err, &e))
			require.Equal(t, "v2", e.Branch)
		}
	}
	require.InDelta(t, 500, failed, 100)
	require.Equal(t, 1000-failed, n.seen["v1"])
}

func TestWithoutWeightsTheRootTakesAll(t *testing.T) {
	n := newNetwork()
	c, err := NewClient(splitOf(Backend{"v1", 0}, Backend{"v2", 0}), ClientConfig{Upstream: n.upstream})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"web": 10}, n.send(t, c, 10))
}

func TestOnlyMatchingRequestsAreSplit(t *testing.T) {
	m := Match{Name: "beta", Headers: map[string]string{"user-group": "beta.*"}}
	_, err := m.compile()
	require.NoError(t, err)
	s := splitOf(Backend{"v2", 1})
	s.Matches = []Match{m}
	n := newNetwork()
	c, err := NewClient(s, ClientConfig{Upstream: n.upstream})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"v2": 10}, n.send(t, c, 10, "User-Group", "beta-1"))
	require.Equal(t, map[string]int{"web": 10}, n.send(t, c, 10, "User-Group", "alpha"))
}

func TestUpstreamsSurviveChangesOfWeights(t *testing.T) {
	n := newNetwork()
	c, err := NewClient(splitOf(Backend{"v1", 900}, Backend{"v2", 100}), ClientConfig{Upstream: n.upstream})
	require.NoError(t, err)
	require.NoError(t, c.Update(splitOf(Backend{"v2", 0}, Backend{"v1", 1})))
	require.NoError(t, c.Update(splitOf(Backend{"v2", 1}, Backend{"v1", 0}, Backend{"v3", 0})))
	require.Equal(t, map[string]int{"web": 1, "v1": 1, "v2": 1}, n.made)
	require.Equal(t, map[string]int{"v2": 10}, n.send(t, c, 10))
}

func TestABadUpdateChangesNothing(t *testing.T) {
	n := newNetwork()
	c, err := NewClient(splitOf(Backend{"v1", 1}), ClientConfig{Upstream: func(service string) (http.RoundTripper, error) {
		if service == "bad" {
			return nil, errors.New("no such service")
		}
		return n.upstream(service)
	}})
	require.NoError(t, err)
	require.ErrorContains(t, c.Update(splitOf(Backend{"bad", 1})), "bad: no such service")
	require.Equal(t, map[string]int{"v1": 10}, n.send(t, c, 10))
	_, err = NewClient(splitOf(Backend{"v1", 1}), ClientConfig{})
	require.ErrorContains(t, err, "smi.Upstream: is missing")
}

func TestNoRequestSeesAMixture(t *testing.T) {
	n := newNetwork()
	c, err := NewClient(splitOf(Backend{"a", 1}), ClientConfig{Upstream: n.upstream})
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 200 {
			if err := c.Update(splitOf(Backend{string(rune('a' + i%2)), 1})); err != nil {
				t.Error(err)
			}
		}
	})
	for range 500 {
		res, err := c.RoundTrip(request(t, strings.NewReader("x")))
		require.NoError(t, err)
		res.Body.Close()
	}
	wg.Wait()
}

func TestWeightsOfAnySizeFitASplitter(t *testing.T) {
	for _, milli := range [][]int64{{900, 100}, {maxMilli, maxMilli, maxMilli}, {maxMilli, 1}, {1}, {7, 11, 13}} {
		var sum uint64
		for i, w := range scaled(milli) {
			require.Positive(t, w)
			sum += uint64(w)
			require.InDelta(t, float64(milli[i])/float64(milli[0]), float64(w)/float64(scaled(milli)[0]), 1e-6)
		}
		require.LessOrEqual(t, sum, uint64(1<<32-1))
	}
}

func TestTheClientKeepsTheContractOfTransports(t *testing.T) {
	meshtest.TestTransport(t, func(next http.RoundTripper) http.RoundTripper {
		c, err := NewClient(splitOf(Backend{"v1", 1}), ClientConfig{Upstream: func(string) (http.RoundTripper, error) { return next, nil }})
		require.NoError(t, err)
		return c
	})
}

func request(t *testing.T, body io.Reader) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "http://web/", body)
	require.NoError(t, err)
	return r
}

func TestASplitMadeInGoIsForTheRequestsThatItDescribes(t *testing.T) {
	n := newNetwork()
	s := splitOf(Backend{"canary", 1000})
	s.Matches = []Match{{Headers: map[string]string{"user": "j.*"}}}
	c, err := NewClient(s, ClientConfig{Upstream: n.upstream})
	require.NoError(t, err)
	require.Equal(t, map[string]int{"canary": 1}, n.send(t, c, 1, "User", "jason"))
	require.Equal(t, map[string]int{"web": 1}, n.send(t, c, 1, "User", "anna"))
	s.Matches = []Match{{}, {PathRegex: "("}}
	require.ErrorContains(t, c.Update(s), "smi.Matches[1].PathRegex: is no regular expression")
	none, err := NewClient(s, ClientConfig{Upstream: n.upstream})
	require.Error(t, err)
	require.Nil(t, none)
}
