package lb

import "slices"

// redraws is how many picks are made in the hope of a host that is wanted before
// all are looked through.
const redraws = 8

// pick picks a host; nil if there is none.
func (s *snapshot) pick(q *Query) *Host {
	l := s.choose(q)
	if l == nil {
		return nil
	}
	if q.Picks < 0 {
		q.Tried = nil
	}
	h := l.pick(*q)
	if h == nil || !l.inUse(h) || len(q.Tried) > 0 && slices.Contains(q.Tried, h) {
		return s.pickAgain(q, l, h)
	}
	return h
}

// inUse reports whether a host that l picked can still be used. It may have been
// ejected since the snapshot was made.
func (l *level) inUse(h *Host) bool { return l.panic || h.usable() }

// choose is the level for a request; nil if there is none.
func (s *snapshot) choose(q *Query) *level {
	if q.Priorities > 0 && len(q.Tried) >= q.Priorities {
		if l := s.chooseUntried(q); l != nil {
			return l
		}
	}
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
func (s *snapshot) number(q *Query) int {
	if s.conf.consistent != nil && q.Hashed {
		return int(q.Hash%100) + 1
	}
	return int(q.Draw%100) + 1
}

// chooseUntried is the level for a request that leaves out levels after some
// attempts, nil if the usual one does for it. It goes through the attempts as
// Envoy's previous_priorities does: after every q.Priorities of them the levels
// that have been tried are out, and when that leaves none all are in again.
func (s *snapshot) chooseUntried(q *Query) *level {
	out := make([]bool, len(s.levels))
	available := func(i int) int {
		l := &s.levels[i]
		if out[i] {
			return 0
		}
		return levelHealth{hosts: len(l.hosts)}.available(l.healthy, overprovisioning)
	}
	total := 0
	since := 0
	for n := range q.Tried {
		if (n+1-since)%q.Priorities != 0 {
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

// pickAgain goes on when l has picked h, which is not wanted.
func (s *snapshot) pickAgain(q *Query, l *level, h *Host) *Host {
	again := redraws
	if q.Picks > 0 {
		again = q.Picks
	}
	for range again {
		q.Attempt++
		q.Draw = redraw(q.Draw)
		if l = s.choose(q); l == nil {
			break
		}
		h = l.pick(*q)
		if h != nil && l.inUse(h) && !slices.Contains(q.Tried, h) {
			return h
		}
	}
	if q.Picks <= 0 && len(q.Tried) > 0 {
		if untried := s.search(q, l, q.Tried); untried != nil {
			return untried
		}
	}
	// All have been tried, or the caller takes what comes.
	if h != nil && l.inUse(h) {
		return h
	}
	return s.search(q, l, nil)
}

// search looks through all hosts for one that can be used and is not in tried:
// first in level l, if there is one, and then in the others in their order.
func (s *snapshot) search(q *Query, l *level, tried []*Host) *Host {
	if l != nil {
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
func (l *level) search(q *Query, tried []*Host) *Host {
	start := below(q.Draw, max(len(l.usable), 1))
	if q.Hashed {
		start = below(redraw(q.Hash), max(len(l.usable), 1))
	}
	for i := range l.usable {
		h := l.usable[(start+i)%len(l.usable)]
		if l.inUse(h) && !slices.Contains(tried, h) {
			return h
		}
	}
	return nil
}
