package smi

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/split"
)

// A ClientConfig is what a split does not say.
type ClientConfig struct {
	// Upstream makes what sends requests to a service, the root or a leaf. It is
	// asked once for each service as long as the split names it, so that connections
	// and counters survive changes of weights.
	Upstream func(service string) (http.RoundTripper, error)

	// KeepShares keeps the share of a leaf that is not available: its requests are
	// refused. Otherwise they go to the leaves that are.
	KeepShares bool

	// Rand draws the leaves, for a run that is to be repeated; it is called by many
	// goroutines. Nil is math/rand/v2.
	Rand func() uint64
}

// A Client sends the requests for one service as its split says. It is made by
// [NewClient], is an [http.RoundTripper] and may be used by many goroutines while
// it is updated. A request has its leaf for good, retries included, if those are
// made by the upstream.
type Client struct {
	config ClientConfig
	now    atomic.Pointer[snapshot]

	mu    sync.Mutex // one change at a time; guards what follows
	split TrafficSplit
	known map[string]http.RoundTripper // by service
	down  map[string]bool              // services that are not available
}

// A snapshot is a split made ready. It does not change.
type snapshot struct {
	matches []Match
	root    http.RoundTripper
	leaves  http.RoundTripper
}

// NewClient makes a client. At first all services count as available.
func NewClient(s TrafficSplit, c ClientConfig) (*Client, error) {
	if c.Upstream == nil {
		l := check.List{Prefix: "smi"}
		l.Add("Upstream", nil, "is missing")
		return nil, l.Err()
	}
	client := &Client{config: c, down: map[string]bool{}}
	if err := client.Update(s); err != nil {
		return nil, err
	}
	return client, nil
}

// Update takes another split, all of it or nothing. Requests under way end as
// they began; requests that begin after it follow the new split.
func (c *Client) Update(s TrafficSplit) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.change(s, c.down)
}

// SetAvailable tells whether a service has endpoints. A leaf that has none gets no
// requests, see ClientConfig.KeepShares; if no leaf has any the requests are
// refused with 503.
func (c *Client) SetAvailable(service string, available bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	down := maps.Clone(c.down)
	if down[service] = true; available {
		delete(down, service)
	}
	return c.change(c.split, down)
}

// change makes a snapshot of a split and puts it in force.
func (c *Client) change(s TrafficSplit, down map[string]bool) error {
	known := map[string]http.RoundTripper{}
	upstream := func(service string) (http.RoundTripper, error) {
		if known[service] == nil {
			to := c.known[service]
			if to == nil {
				var err error
				if to, err = c.config.Upstream(service); err != nil {
					return nil, err
				}
			}
			known[service] = to
		}
		return known[service], nil
	}
	matches, err1 := ready(s.Matches)
	root, err2 := upstream(s.Service)
	leaves, err3 := c.leaves(s, down, upstream)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	// A leaf of weight zero is kept for the day when it gets one.
	for _, b := range s.Backends {
		if to := c.known[b.Service]; to != nil && known[b.Service] == nil {
			known[b.Service] = to
		}
	}
	if leaves == nil {
		leaves = root
	}
	c.now.Store(&snapshot{matches: matches, root: root, leaves: leaves})
	c.split, c.known, c.down = s, known, down
	return nil
}

// ready are descriptions of requests made ready: those of a split that was not read
// but made in Go are not.
func ready(matches []Match) ([]Match, error) {
	l := check.List{Prefix: "smi"}
	all := slices.Clone(matches)
	for i := range all {
		if field, err := all[i].compile(); err != nil {
			l.Add(fmt.Sprintf("Matches[%d].%s%s", i, strings.ToUpper(field[:1]), field[1:]), nil, "%v", err)
		}
	}
	return all, l.Err()
}

// leaves is the split over what is available, nil when no leaf has a weight.
func (c *Client) leaves(s TrafficSplit, down map[string]bool, upstream func(string) (http.RoundTripper, error)) (http.RoundTripper, error) {
	if s.Total() == 0 {
		return nil, nil
	}
	if !c.config.KeepShares {
		s.Backends = slices.DeleteFunc(slices.Clone(s.Backends), func(b Backend) bool { return down[b.Service] })
		if s.Total() == 0 {
			return unavailable{}, nil
		}
	}
	branches, err := s.Branches(func(service string) (http.RoundTripper, error) {
		if down[service] {
			return unavailable{service}, nil
		}
		return upstream(service)
	})
	if err != nil {
		return nil, err
	}
	splitter, err := split.New(branches...)
	if err != nil {
		return nil, err
	}
	splitter.Rand = c.config.Rand
	return split.Transport(splitter), nil
}

// RoundTrip implements [http.RoundTripper].
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	s := c.now.Load()
	if !s.takes(r) {
		return s.root.RoundTrip(r)
	}
	return s.leaves.RoundTrip(r)
}

// takes reports whether r is one of the requests that are split.
func (s *snapshot) takes(r *http.Request) bool {
	for i := range s.matches {
		if s.matches[i].Accepts(r) {
			return true
		}
	}
	return len(s.matches) == 0
}

// unavailable refuses requests to a service that has no endpoints.
type unavailable struct{ service string }

// RoundTrip implements [http.RoundTripper].
func (u unavailable) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	e := &mesh.Error{
		Op: "smi", Flag: mesh.NoHealthyUpstream, Status: http.StatusServiceUnavailable, Stage: mesh.NotSent,
		Details: mesh.DetailsNoHealthyUpstream, Branch: u.service,
	}
	if u.service == "" {
		e.Err = errors.New("no leaf of the split has endpoints")
	}
	return nil, e
}
