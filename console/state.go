package console

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

// A state is everything there is to show of a moment.
type state struct {
	at       time.Time
	window   time.Duration
	total    flowRate
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
	key
	rate *flowRate
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
	rate    flowRate
	gone    bool // known by its traffic only
}

// A host is an endpoint of a cluster.
type host struct {
	lb.HostStats
	rate     *flowRate
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
	s := &state{at: now, window: c.traffic.window(now), byName: map[string]*cluster{}}
	rates := c.traffic.rates(now)
	idle := &flowRate{}
	for _, u := range c.upstreams() {
		s.add(u, rates, idle)
	}
	for k, rate := range rates {
		if k.endpoint != "" {
			continue
		}
		s.paths = append(s.paths, path{k, rate})
		s.total.join(rate)
		if k.upstream == "" {
			continue
		}
		one := s.byName[k.upstream]
		if one == nil {
			one = &cluster{name: k.upstream, gone: true}
			s.byName[k.upstream] = one
			s.clusters = append(s.clusters, one)
		}
		one.rate.join(rate)
	}
	s.total.settle(s.window)
	for _, one := range s.clusters {
		one.rate.settle(s.window)
	}
	slices.SortFunc(s.clusters, func(a, b *cluster) int { return cmp.Compare(a.name, b.name) })
	slices.SortFunc(s.paths, func(a, b path) int {
		return cmp.Or(cmp.Compare(a.host, b.host), cmp.Compare(a.route, b.route), cmp.Compare(a.upstream, b.upstream))
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
func (s *state) add(u *upstream.Upstream, rates map[key]*flowRate, idle *flowRate) {
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
		rate := rates[key{upstream: one.name, endpoint: h.Addr}]
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
		all = append(all, trouble{"The configuration as it is now is not in force: " + cut(firstLine(r.Err.Error()), 200), true, "config"})
	}
	for _, c := range s.clusters {
		name := shortName(c.name)
		link := "clusters?name=" + c.name
		switch {
		case c.gone:
			continue
		case len(c.hosts) == 0:
			all = append(all, trouble{name + " has no endpoints", true, link})
		case c.usable == 0:
			all = append(all, trouble{name + ": none of " + plural(len(c.hosts), "endpoint", "endpoints") + " can be used", true, link})
		case c.ejected > 0:
			all = append(all, trouble{fmt.Sprintf("%s: %d of %d endpoints ejected", name, c.ejected, len(c.hosts)), false, link})
		case c.usable < len(c.hosts):
			all = append(all, trouble{fmt.Sprintf("%s: %d of %d endpoints unhealthy", name, len(c.hosts)-c.usable, len(c.hosts)), false, link})
		}
		if st := c.stats.Breaker.State; st != breaker.Closed {
			all = append(all, trouble{name + ": its circuit is " + st.String(), st == breaker.Open, link})
		}
		if n := len(c.stats.Breaker.OpenKeys); n > 0 {
			all = append(all, trouble{name + ": " + plural(n, "circuit is", "circuits are") + " open", true, link})
		}
		if slices.ContainsFunc(c.levels, func(l lb.LevelStats) bool { return l.Panic }) {
			all = append(all, trouble{name + ": so few endpoints can be used that all are (panic)", true, link})
		}
		if c.rate.count >= 10 && c.rate.ErrorPct >= 5 {
			all = append(all, trouble{fmt.Sprintf("%s: %s of its requests fail", name, percent(c.rate.ErrorPct)), true, "decisions?failed=1&upstream=" + c.name})
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
