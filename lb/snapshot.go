package lb

import "slices"

// A snapshot is what picks go by: which hosts are in use and what each priority
// gets. It does not change; a new one is made when endpoints, their health or the
// configuration change.
type snapshot struct {
	conf   *compiled
	set    *hostSet
	levels []level
	sole   *level // the level that gets all requests, if there is one
	direct Picker // of sole, if that alone decides
	draws  bool   // direct needs Query.Draw
}

// A level is one priority.
type level struct {
	group
	usable  []*Host // the hosts in use: the usable ones, or all in a panic
	healthy int     // usable hosts
	panic   bool

	// What it gets: a request whose number from 1 to 100 is at most upTo, and above
	// that of the level before.
	share, upTo int

	// Either picker picks, or where localities have weights, turns does between
	// the pickers of localities. Without usable hosts there is neither.
	picker     Picker
	rotations  *rotations
	turns      *edf
	weights    []float64
	localities []Picker
}

// newSnapshot makes a snapshot of a set. It takes over what it can from prev,
// which may be nil; same says that prev is of the same set and configuration.
func newSnapshot(k *compiled, set *hostSet, prev *snapshot, same bool, now int64) (*snapshot, error) {
	s := &snapshot{conf: k, set: set, levels: make([]level, len(set.groups))}
	health := make([]levelHealth, len(s.levels))
	for i := range s.levels {
		l := &s.levels[i]
		l.group = set.groups[i]
		l.usable = usableOf(l.hosts)
		l.healthy = len(l.usable)
		health[i] = levelHealth{hosts: len(l.hosts), healthy: l.healthy}
	}
	sum := 0
	for i, load := range spread(health, overprovisioning, k.panicBelow) {
		l := &s.levels[i]
		l.share, l.panic = load.healthy, load.panic
		sum += l.share
		l.upTo = sum
		if l.panic {
			l.usable = l.hosts
		}
		if l.share == 100 {
			s.sole = l
		}
		var before, old *level
		if prev != nil {
			before = prev.level(l.priority)
			if prev.conf == k {
				old = before
			}
		}
		if same && old != nil && old.panic == l.panic && slices.Equal(old.usable, l.usable) {
			l.picker, l.rotations = old.picker, old.rotations
			l.turns, l.weights, l.localities = old.turns, old.weights, old.localities
			continue
		}
		if l.rotations = before.goesOn(); l.rotations == nil {
			l.rotations = newRotations(k.rand())
		}
		if len(l.usable) == 0 {
			continue
		}
		if err := l.build(k, old, now); err != nil {
			return nil, err
		}
	}
	if s.sole != nil && !s.sole.panic {
		s.direct = s.sole.picker
		_, inTurn := k.algorithm.(RoundRobin)
		s.draws = !inTurn
	}
	return s, nil
}

// level is the level of a priority, or nil.
func (s *snapshot) level(priority uint32) *level {
	for i := range s.levels {
		if s.levels[i].priority == priority {
			return &s.levels[i]
		}
	}
	return nil
}

// usableOf are the usable ones among hosts.
func usableOf(hosts []*Host) []*Host {
	if !slices.ContainsFunc(hosts, func(h *Host) bool { return !h.usable() }) {
		return hosts
	}
	usable := make([]*Host, 0, len(hosts))
	for _, h := range hosts {
		if h.usable() {
			usable = append(usable, h)
		}
	}
	return usable
}

// build makes the pickers of a level that has usable hosts.
func (l *level) build(k *compiled, old *level, now int64) (err error) {
	switch {
	case k.consistent != nil:
		var prev Picker
		if old != nil {
			prev = old.picker
		}
		hosts, shares := l.shares()
		if len(hosts) > 0 {
			l.picker, err = k.consistent.Rebuild(prev, hosts, shares)
		}
		return err
	case len(l.places) == 0 || l.panic:
		l.picker, err = k.picker(l.usable, l.rotations.of(l.panic), now)
		return err
	}
	for _, p := range l.places {
		usable := usableOf(p.hosts)
		w := localityWeight(p.weight, len(usable), len(p.hosts), overprovisioning)
		if w == 0 {
			continue
		}
		picker, err := k.picker(usable, newProgress(k.rand()), now)
		if err != nil {
			return err
		}
		l.localities = append(l.localities, picker)
		l.weights = append(l.weights, w)
	}
	switch len(l.localities) {
	case 0: // all became unusable just now
	case 1:
		l.picker, l.localities = l.localities[0], nil
	default:
		l.turns = newEDF(l.weights, k.rand())
	}
	return nil
}

// shares are the usable hosts and the part of all hashes that each is to have.
// With weighted localities each has its part whether its hosts are healthy or
// not: parts of localities do not move when hosts fail.
func (l *level) shares() ([]*Host, []float64) {
	if len(l.places) == 0 {
		return l.usable, weightShares(l.usable)
	}
	sum := uint64(0)
	for _, p := range l.places {
		sum += uint64(p.weight)
	}
	hosts := make([]*Host, 0, len(l.usable))
	shares := make([]float64, 0, len(l.usable))
	for _, p := range l.places {
		usable := p.hosts
		if !l.panic {
			usable = usableOf(p.hosts)
		}
		hosts = append(hosts, usable...)
		shares = appendShares(shares, usable, float64(p.weight)/float64(sum))
	}
	return hosts, shares
}

// picker makes a picker by the algorithm.
func (k *compiled) picker(hosts []*Host, at *progress, now int64) (Picker, error) {
	switch a := k.algorithm.(type) {
	case RoundRobin:
		return a.goOn(hosts, at, k.rand(), now), nil
	case LeastRequest:
		return a.start(hosts, k.rand(), now), nil
	}
	return k.algorithm.Picker(hosts)
}

// rotations are how far a level has gone through its hosts in turn: through those
// that are well, and through all of them in a panic. Both begin at the same place
// and go on when hosts change, as in Envoy.
type rotations struct{ healthy, all *progress }

func newRotations(draw uint64) *rotations { return &rotations{newProgress(draw), newProgress(draw)} }

func (r *rotations) of(panic bool) *progress {
	if panic {
		return r.all
	}
	return r.healthy
}

// goesOn is what a level hands on to its successor. The level may be nil.
func (l *level) goesOn() *rotations {
	if l == nil {
		return nil
	}
	return l.rotations
}

// pick asks the level's algorithm; nil if the level has no host in use.
func (l *level) pick(q Query) *Host {
	if l.picker != nil {
		return l.picker.Pick(q)
	}
	if l.turns == nil {
		return nil
	}
	l.turns.mu.Lock()
	i := l.turns.first()
	l.turns.requeue(l.weights[i])
	l.turns.mu.Unlock()
	return l.localities[i].Pick(q)
}
