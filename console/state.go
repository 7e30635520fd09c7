package console

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/console/internal/traffic"
	"github.com/sidecarless/mesh/console/internal/words"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

// A state is everything there is to show of a moment.
type state struct {
	at       time.Time
	window   time.Duration
	total    traffic.Rate
	paths    []path
	clusters []*cluster // by name
	byName   map[string]*cluster
	circuits []circuit // of breakers that belong to no upstream
	configs  []*Configuration
	reload   *Reload // nil: nothing is ever loaded anew
	events   []event // the newest first
}

// A path is the traffic of one rule to one upstream.
type path struct {
	traffic.Key
	rate *traffic.Rate
}

// A cluster is an upstream with its endpoints.
type cluster struct {
	name    string
	stats   upstream.Stats
	limits  breaker.LimitsConfig
	levels  []lb.LevelStats
	hosts   []host
	usable  int
	ejected int
	rate    traffic.Rate
	gone    bool // known by its traffic only
}

// A host is an endpoint of a cluster.
type host struct {
	lb.HostStats
	rate     *traffic.Rate
	ejection *outlier.Ejection // nil if it is in use
}

// A circuit is a breaker by itself.
type circuit struct {
	name  string
	stats breaker.Stats
}

// state is what there is to show now.
func (c *Console) state() *state {
	now := time.Now()
	s := &state{at: now, window: c.traffic.Window(now), byName: map[string]*cluster{}}
	rates := c.traffic.Rates(now)
	idle := &traffic.Rate{}
	for _, u := range c.upstreams() {
		s.add(u, rates, idle)
	}
	for k, rate := range rates {
		if k.Endpoint != "" {
			continue
		}
		s.paths = append(s.paths, path{k, rate})
		s.total.Join(rate)
		if k.Upstream == "" {
			continue
		}
		one := s.byName[k.Upstream]
		if one == nil {
			one = &cluster{name: k.Upstream, gone: true}
			s.byName[k.Upstream] = one
			s.clusters = append(s.clusters, one)
		}
		one.rate.Join(rate)
	}
	s.total.Settle(s.window)
	for _, one := range s.clusters {
		one.rate.Settle(s.window)
	}
	slices.SortFunc(s.clusters, func(a, b *cluster) int { return cmp.Compare(a.name, b.name) })
	slices.SortFunc(s.paths, func(a, b path) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Upstream, b.Upstream))
	})
	for _, b := range c.config.Breakers {
		s.circuits = append(s.circuits, circuit{stats: b.Stats()})
	}
	for _, source := range c.all() {
		if source.Configuration != nil {
			if config := source.Configuration(); config != nil {
				s.configs = append(s.configs, config)
			}
		}
		if source.Reload != nil {
			r := source.Reload()
			s.reload = &r
		}
	}
	s.events = c.events(s)
	return s
}

// add adds an upstream.
func (s *state) add(u *upstream.Upstream, rates map[traffic.Key]*traffic.Rate, idle *traffic.Rate) {
	if s.byName[u.Name()] != nil {
		return // of two with the same name the first counts
	}
	balance := u.Balancer().Stats()
	one := &cluster{name: u.Name(), stats: u.Stats(), limits: u.Limits(), levels: balance.Levels, hosts: make([]host, len(balance.Hosts))}
	out := map[string]*outlier.Ejection{}
	if one.stats.Ejections.Ejected > 0 {
		for e := range u.Detector().Ejections() {
			out[e.Host.Addr()] = &e
		}
	}
	for i, h := range balance.Hosts {
		rate := rates[traffic.Key{Upstream: one.name, Endpoint: h.Addr}]
		if rate == nil {
			rate = idle
		}
		one.hosts[i] = host{h, rate, out[h.Addr]}
		if h.Ejected {
			one.ejected++
		}
		if h.Healthy && !h.Ejected {
			one.usable++
		}
	}
	s.byName[one.name] = one
	s.clusters = append(s.clusters, one)
}

// A trouble is something that is not as it should be.
type trouble struct {
	Text string `json:"text"`
	Bad  bool   `json:"bad"` // requests fail because of it
	Link string `json:"-"`
}

// troubles are what somebody should look at first.
func (s *state) troubles() []trouble {
	var all []trouble
	if r := s.reload; r != nil && r.Err != nil {
		all = append(all, trouble{"The configuration as it is now is not in force: " + words.Cut(words.FirstLine(r.Err.Error()), 200), true, "config"})
	}
	for _, c := range s.clusters {
		name := words.ShortName(c.name)
		link := "clusters?name=" + c.name
		switch {
		case c.gone:
			continue
		case len(c.hosts) == 0:
			all = append(all, trouble{name + " has no endpoints", true, link})
		case c.usable == 0:
			all = append(all, trouble{name + ": none of " + words.Plural(len(c.hosts), "endpoint", "endpoints") + " can be used", true, link})
		case c.ejected > 0:
			all = append(all, trouble{fmt.Sprintf("%s: %d of %d endpoints ejected", name, c.ejected, len(c.hosts)), false, link})
		case c.usable < len(c.hosts):
			all = append(all, trouble{fmt.Sprintf("%s: %d of %d endpoints unhealthy", name, len(c.hosts)-c.usable, len(c.hosts)), false, link})
		}
		if st := c.stats.Breaker.State; st != breaker.Closed {
			all = append(all, trouble{name + ": its circuit is " + st.String(), st == breaker.Open, link})
		}
		if n := len(c.stats.Breaker.OpenKeys); n > 0 {
			all = append(all, trouble{name + ": " + words.Plural(n, "circuit is", "circuits are") + " open", true, link})
		}
		if slices.ContainsFunc(c.levels, func(l lb.LevelStats) bool { return l.Panic }) {
			all = append(all, trouble{name + ": so few endpoints can be used that all are (panic)", true, link})
		}
		if c.rate.Count >= 10 && c.rate.ErrorPct >= 5 {
			all = append(all, trouble{fmt.Sprintf("%s: %s of its requests fail", name, words.Percent(c.rate.ErrorPct)), true, "decisions?failed=1&upstream=" + c.name})
		}
	}
	for _, c := range s.circuits {
		if c.stats.State == breaker.Open {
			all = append(all, trouble{"The circuit of " + cmp.Or(c.name, "a breaker") + " is open", true, "events"})
		}
	}
	slices.SortStableFunc(all, func(a, b trouble) int {
		switch {
		case a.Bad == b.Bad:
			return 0
		case a.Bad:
			return -1
		}
		return 1
	})
	return all
}
