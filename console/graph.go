package console

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/console/internal/traffic"
	"github.com/sidecarless/mesh/console/internal/words"
)

// A graph is where requests go: from the client by rules and splits to upstreams
// and their endpoints. What does not fit is summed up in a node of its own.
type graph struct {
	client    *node
	nodes     []*node // in the order of a walk
	edges     []*edge
	truncated int // rules without a node
}

// A node is one of them.
type node struct {
	id, kind, label, note string // kind: client, route, split, subset or endpoint
	title                 string // all there is to say
	state                 string // ok, warn, bad or idle
	why                   string // of a state that is not ok
	rate                  *traffic.Rate
	next                  []*edge
	more                  int  // endpoints that it stands for
	drawn                 bool // has its place: another edge may lead there as well

	x, y, w, h float64
}

// An edge leads from one to another.
type edge struct {
	from, to *node
	share    string // of a split
	copies   bool
	rate     *traffic.Rate
}

// How much of a graph is shown.
const (
	maxRoutes    = 24
	maxEndpoints = 5 // of an upstream
)

// graph is where the requests of s go.
func (s *state) graph() *graph {
	g := &graph{client: &node{id: "client", kind: "client", label: "client", state: "ok", rate: &s.total}}
	g.client.title = "all requests"
	b := graphBuilder{s, g, map[string]*node{}}
	routes := b.routes()
	if len(routes) > maxRoutes {
		g.truncated = len(routes) - maxRoutes
		routes = busiest(routes)
	}
	for _, r := range routes {
		b.route(r)
	}
	reached := len(b.subsets)
	for _, c := range s.clusters {
		if b.subsets[c.name] == nil && reached < 2*maxRoutes && !c.gone && len(s.configs) == 0 {
			g.client.lead(b.subset(c.name), &edge{rate: &c.rate})
			reached++
		}
	}
	g.walk(g.client)
	g.layout()
	return g
}

type graphBuilder struct {
	*state
	graph   *graph
	subsets map[string]*node
}

// route adds a rule and what it leads to.
func (b *graphBuilder) route(r *routeFlow) {
	n := &node{kind: "route", rate: &r.rate, state: stateOf(&r.rate)}
	if r.rule == nil {
		n.id = "route:" + r.key.Host + "/" + r.key.Route
		n.label, n.note = cmp.Or(r.key.Route, r.key.Host, "any"), r.key.Host
		n.title = "seen in traffic"
	} else {
		n.id = "rule:" + r.rule.Source + "/" + r.rule.Match
		hosts := strings.Join(r.rule.Hosts, ", ")
		n.label, n.note = r.rule.words()
		n.title = cmp.Or(hosts, "any host") + ": " + cmp.Or(r.rule.Match, "every request") + " (" + r.rule.Source + ")"
	}
	b.graph.client.lead(n, &edge{rate: &r.rate})
	if r.rule != nil && r.rule.Then != "" {
		n.note = r.rule.Then
		return
	}
	b.branches(n, r)
}

// words are a rule's name and its host. Names that say nothing are left out.
func (r *Rule) words() (label, note string) {
	host := cmp.Or(firstOf(r.Hosts), "any host")
	if r.Name == "" || r.Name == "default" {
		return host, cmp.Or(r.Match, "every request")
	}
	return r.Name, host
}

// branches adds a split, if there is anything to choose from, and its upstreams.
func (b *graphBuilder) branches(n *node, r *routeFlow) {
	rates := map[string]*traffic.Rate{}
	for _, p := range r.paths {
		if rates[p.Upstream] == nil {
			rates[p.Upstream] = &traffic.Rate{}
		}
		rates[p.Upstream].Join(p.rate)
	}
	from := n
	branches := []Branch{}
	if r.rule != nil {
		branches = r.rule.Branches
	}
	weighted := 0
	for _, branch := range branches {
		if !branch.Copies {
			weighted++
		}
	}
	if weighted > 1 {
		from = &node{id: "split:" + n.id, kind: "split", label: "split", state: "ok", rate: n.rate, title: "split of " + n.label}
		n.lead(from, &edge{rate: n.rate})
	}
	for _, branch := range branches {
		e := &edge{rate: rates[branch.Upstream], copies: branch.Copies}
		delete(rates, branch.Upstream)
		if e.rate == nil {
			e.rate = &traffic.Rate{}
		}
		e.rate.Settle(b.window)
		if weighted > 1 || branch.Copies {
			e.share = words.Percent(branch.Percent)
		}
		from.lead(b.subset(branch.Upstream), e)
	}
	for _, p := range r.paths {
		if rate := rates[p.Upstream]; rate != nil && p.Upstream != "" {
			rate.Settle(b.window)
			n.lead(b.subset(p.Upstream), &edge{rate: rate})
			delete(rates, p.Upstream)
		}
	}
}

// subset is the node of an upstream with its endpoints.
func (b *graphBuilder) subset(name string) *node {
	if n := b.subsets[name]; n != nil {
		return n
	}
	n := &node{id: "subset:" + name, kind: "subset", title: name, state: "idle", rate: &traffic.Rate{}}
	n.label = words.ShortName(name)
	if strings.HasPrefix(name, "outbound|") {
		n.label, n.note, _ = strings.Cut(n.label, " ") // the subset
	}
	b.subsets[name] = n
	c := b.byName[name]
	if c == nil {
		n.state, n.why = "bad", "no such upstream"
		return n
	}
	n.rate, n.state = &c.rate, stateOf(&c.rate)
	switch {
	case c.gone:
		return n
	case c.stats.Breaker.State != breaker.Closed:
		n.state, n.why = "bad", "circuit "+c.stats.Breaker.State.String()
	case c.usable == 0:
		n.state, n.why = "bad", "no endpoint can be used"
	}
	shown := c.worst()
	for i := range shown[:min(len(shown), visible(len(shown)))] {
		h := &shown[i]
		e := &node{id: "endpoint:" + name + "/" + h.Addr, kind: "endpoint", label: h.Addr, title: h.Addr + " " + h.Locality.String(), rate: h.rate}
		e.state, e.why = h.state()
		n.lead(e, &edge{rate: h.rate})
	}
	if rest := shown[visible(len(shown)):]; len(rest) > 0 {
		e := &node{id: "more:" + name, kind: "endpoint", more: len(rest), label: words.Plural(len(rest), "more endpoint", "more endpoints"), state: "idle", rate: &traffic.Rate{}}
		for i := range rest {
			e.rate.Join(rest[i].rate)
		}
		e.rate.Settle(b.window)
		if e.rate.Count > 0 {
			e.state = stateOf(e.rate)
		}
		n.lead(e, &edge{rate: e.rate})
	}
	return n
}

// visible is how many of so many endpoints are shown.
func visible(n int) int {
	if n <= maxEndpoints {
		return n
	}
	return maxEndpoints - 1
}

// worst are the hosts, those in trouble first.
func (c *cluster) worst() []host {
	all := slices.Clone(c.hosts)
	slices.SortStableFunc(all, func(a, b host) int { return cmp.Compare(a.rank(), b.rank()) })
	return all
}

func (h *host) rank() int {
	switch {
	case h.Ejected:
		return 0
	case !h.Healthy:
		return 1
	}
	return 2
}

// state is a host's state and what is wrong with it.
func (h *host) state() (state, why string) {
	switch {
	case h.ejection != nil:
		return "bad", "ejected until " + words.Clock(h.ejection.Until)
	case h.Ejected:
		return "bad", "ejected"
	case !h.Healthy:
		return "bad", "unhealthy"
	}
	return stateOf(h.rate), ""
}

// stateOf tells by its traffic how something is.
func stateOf(f *traffic.Rate) string {
	switch {
	case f.Count == 0:
		return "idle"
	case f.ErrorPct >= 5:
		return "bad"
	case f.ErrorPct >= 1:
		return "warn"
	}
	return "ok"
}

// lead adds an edge from n.
func (n *node) lead(to *node, e *edge) {
	e.from, e.to = n, to
	n.next = append(n.next, e)
}

// walk lists nodes and edges.
func (g *graph) walk(n *node) {
	if n.drawn {
		return
	}
	n.drawn = true
	g.nodes = append(g.nodes, n)
	for _, e := range n.next {
		g.edges = append(g.edges, e)
		g.walk(e.to)
	}
}

func firstOf(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}
