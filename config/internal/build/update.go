package build

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/mirror"
	"github.com/sidecarless/mesh/retry"
)

// problems collects what is wrong with resources, each with its source.
type problems struct{ errs []error }

// add takes over err for the resource at source.
func (p *problems) add(source string, err error) {
	found := false
	for one := range mesh.Problems(err) {
		q := *one
		if q.Source == "" {
			q.Source = source
		}
		p.errs = append(p.errs, &q)
		found = true
	}
	if !found && err != nil {
		p.errs = append(p.errs, &mesh.Problem{Source: source, Reason: err.Error()})
	}
}

// An update is one plan on its way to be carried out.
type update struct {
	mesh     *Mesh
	plan     *plan.Plan
	world    *plan.World
	problems problems
	clusters map[plan.Cluster]*cluster // those of the plan, new and kept
	made     []*cluster                // those that the plan adds
	rules    map[content]prepared      // those of the plan, new and kept
	policies map[policyKey]*retry.Policy
	mirrors  []*mirror.Mirror // those of new rules
	prepared int              // how many rules are new

	route      *networking.HTTPRoute // the last that was marshalled
	routeBytes []byte
}

// Update takes a new world: all of it, or nothing if anything is wrong. Requests
// under way end as they began. Clusters that stay keep their connections,
// counters and ejections.
func (m *Mesh) Update(w *plan.World) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errors.New("istio: the client is closed")
	}
	p, err := m.plan(w)
	if err != nil {
		return err
	}
	u := &update{
		mesh: m, plan: p, world: w, clusters: map[plan.Cluster]*cluster{},
		rules: map[content]prepared{}, policies: map[policyKey]*retry.Policy{},
	}
	next, err := u.snapshot()
	if err == nil {
		err = u.commit()
	}
	if err != nil {
		for _, c := range u.made {
			c.close()
		}
		for _, one := range u.mirrors {
			one.Close()
		}
		return err
	}
	before := m.now.Swap(next)
	m.endUnused(u.rules)
	m.rules, m.prepared = u.rules, u.prepared
	old := m.clusters
	m.clusters = u.clusters
	m.list()
	close(m.changed)
	m.changed = make(chan struct{})
	var unused []*cluster
	for name, c := range old {
		if u.clusters[name] != c {
			unused = append(unused, c)
		}
	}
	if before != nil {
		before.users.retire()
		m.retire(before, unused)
	}
	return nil
}

func (m *Mesh) plan(w *plan.World) (*plan.Plan, error) {
	if m.options.Gateway != nil {
		return plan.NewGateway(w, m.options.Client, m.options.Gateway.Name)
	}
	return plan.New(w, m.options.Client)
}

// snapshot makes everything but changes nothing that is in use.
func (u *update) snapshot() (*snapshot, error) {
	s := &snapshot{
		users: users{quiet: make(chan struct{})}, clusters: u.clusters,
		ports: map[uint32]http.RoundTripper{}, paths: plan.PathOptions(u.world.Mesh), world: u.world,
	}
	for _, name := range slices.SortedFunc(maps.Keys(u.plan.Clusters), plan.Cluster.Compare) {
		target := u.plan.Clusters[name]
		c, err := u.cluster(name, target)
		if err != nil {
			u.problems.add(target.Policy.Source, err)
			continue
		}
		u.clusters[name] = c
	}
	for _, port := range slices.Sorted(maps.Keys(u.plan.Ports)) {
		table, err := u.table(u.plan.Ports[port])
		if err != nil {
			u.problems.add("", err)
			continue
		}
		s.ports[uint32(port)] = table
	}
	u.serve(s)
	var err error
	if s.other, err = u.table(u.plan.Other); err != nil {
		u.problems.add("", err)
	}
	if err := errors.Join(u.problems.errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends all clusters. Requests under way fail.
func (m *Mesh) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.end()
	for _, rule := range m.rules {
		for _, one := range rule.mirrors {
			one.Close()
		}
	}
	m.retiring.Wait()
	var errs []error
	for _, c := range m.clusters {
		errs = append(errs, c.close())
	}
	m.clusters = nil
	m.list()
	return errors.Join(errs...)
}
