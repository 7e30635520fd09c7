package lb

import "slices"

// redraws is how many picks are made in the hope of a host that is wanted before
// all are looked through.
const redraws = 8

// A retrying is how hard to avoid what a request has tried.
type retrying struct {
	// picks is how many picks more are made for another host before the last one is
	// taken whatever it is, as Envoy's previous_hosts does; zero is until all are
	// looked through, and negative takes the first one.
	picks int
	// priorities, if positive, is after how many tried hosts their priorities are
	// left out, as Envoy's previous_priorities does.
	priorities int
}

// pick picks a host; nil if there is none.
func (s *snapshot) pick(q Query, r retrying) *Host {
	if len(q.Tried) > 0 {
		return s.pickUntried(q, r)
	}
	l := s.choose(q)
	if l == nil {
		return nil
	}
	if h := l.pick(q); h != nil && l.inUse(h) {
		return h
	}
	return s.pickOther(q, redraws)
}

// inUse reports whether a host that l picked can still be used. It may have been
// ejected since the snapshot was made.
func (l *level) inUse(h *Host) bool { return l.panic || h.usable() }

// pickOther goes on after a pick that was of no use; it does not look at what
// was tried.
func (s *snapshot) pickOther(q Query, more int) *Host {
	for range more {
		q.Attempt++
		q.Draw = redraw(q.Draw)
		l := s.choose(q)
		if h := l.pick(q); h != nil && l.inUse(h) {
			return h
		}
	}
	return s.search(q, nil)
}

// pickUntried picks a host for a request that has tried some.
func (s *snapshot) pickUntried(q Query, r retrying) *Host {
	tried := q.Tried
	chosen := s.leaveOut(q, r.priorities)
	more := r.picks
	switch {
	case r.picks < 0:
		more, q.Tried, tried = 0, nil, nil
	case r.picks > 0:
		q.Tried = nil // the algorithm is to pick as if nothing had been tried
	default:
		more = redraws
	}
	var h *Host
	for range more + 1 {
		l := chosen
		if l == nil {
			if l = s.choose(q); l == nil {
				return nil
			}
		}
		if h = l.pick(q); h != nil && !l.inUse(h) {
			h = nil
		}
		if h != nil && !slices.Contains(tried, h) {
			return h
		}
		q.Attempt++
		q.Draw = redraw(q.Draw)
	}
	if r.picks == 0 {
		if untried := s.search(q, tried); untried != nil {
			return untried
		}
	}
	if h != nil {
		return h
	}
	return s.search(q, nil)
}

// choose is the level for a request; nil if there is none.
func (s *snapshot) choose(q Query) *level {
	if s.sole != nil {
		return s.sole
	}
	x := s.number(q)
	for i := range s.levels {
		if x <= s.levels[i].upTo {
			return &s.levels[i]
		}
	}
	return nil
}

// number places a request among the levels: 1 to 100. With hashing it is the
// hash that does, so that a client keeps its level.
func (s *snapshot) number(q Query) int {
	if s.conf.consistent != nil && q.Hashed {
		return int(q.Hash%100) + 1
	}
	return int(q.Draw%100) + 1
}

// leaveOut is the level for a request that leaves out what was tried after every
// so many attempts; nil if the usual one does. When that leaves no level all are
// in again.
func (s *snapshot) leaveOut(q Query, every int) *level {
	if every <= 0 || len(q.Tried) < every {
		return nil
	}
	out := make([]bool, len(s.levels))
	available := func(i int) int {
		l := &s.levels[i]
		if out[i] {
			return 0
		}
		return levelHealth{hosts: len(l.hosts)}.available(l.healthy, overprovisioning)
	}
	total, since := 0, 0
	for n := range q.Tried {
		if (n+1-since)%every != 0 {
			continue
		}
		for _, h := range q.Tried[since : n+1] {
			for i := range s.levels {
				out[i] = out[i] || s.levels[i].priority == h.endpoint.Load().Priority
			}
		}
		total = 0
		for i := range s.levels {
			total += available(i)
		}
		if total == 0 {
			clear(out)
			since = n + 1
		}
	}
	if total == 0 {
		return nil
	}
	total = min(total, 100)
	x, upTo := s.number(q), 0
	var first *level
	for i := range s.levels {
		if available(i) == 0 {
			continue
		}
		if first == nil {
			first = &s.levels[i]
		}
		if upTo += available(i) * 100 / total; x <= upTo {
			return &s.levels[i]
		}
	}
	return first // which has what rounding left
}

// search looks through all hosts for one that can be used and is not in tried:
// first in the level of the request, then in the others in their order.
func (s *snapshot) search(q Query, tried []*Host) *Host {
	if l := s.choose(q); l != nil {
		if h := l.search(q, tried); h != nil {
			return h
		}
	}
	for i := range s.levels {
		if h := s.levels[i].search(q, tried); h != nil {
			return h
		}
	}
	return nil
}

// search begins at a random host, or with hashing at one that is always the
// same.
func (l *level) search(q Query, tried []*Host) *Host {
	if len(l.usable) == 0 {
		return nil
	}
	start := below(q.Draw, len(l.usable))
	if q.Hashed {
		start = below(redraw(q.Hash), len(l.usable))
	}
	for i := range l.usable {
		h := l.usable[(start+i)%len(l.usable)]
		if l.inUse(h) && !slices.Contains(tried, h) {
			return h
		}
	}
	return nil
}
