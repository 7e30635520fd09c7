package lb

import (
	"cmp"
	"slices"
)

// A hostSet is the hosts of a balancer by priority and locality, whatever their
// health. It changes with the endpoints only.
type hostSet struct {
	byAddr   map[string]*Host
	hosts    []*Host // in the order of the endpoints
	filtered int     // endpoints that placement has left out
	groups   []group // one for each priority, the first to be used first
}

// A group is the hosts of one priority.
type group struct {
	priority uint32
	hosts    []*Host
	places   []place // by locality; empty where localities play no part
}

// A place is the hosts of one locality in a group.
type place struct {
	locality Locality
	weight   uint32
	hosts    []*Host
}

// newHostSet makes a set of endpoints that are checked and placed. It takes the
// hosts of prev whose addresses are among them, and tells them what their
// endpoints say now.
func newHostSet(b *Balancer, k *compiled, prev *hostSet, endpoints []Endpoint, now int64) *hostSet {
	placed := endpoints
	for _, p := range k.placement {
		placed = p.Place(placed)
	}
	s := &hostSet{
		byAddr:   make(map[string]*Host, len(placed)),
		hosts:    make([]*Host, len(placed)),
		filtered: len(endpoints) - len(placed),
	}
	placed = slices.Clone(placed) // hosts point into it
	for i := range placed {
		e := &placed[i]
		h := prev.find(e.Addr)
		if h == nil {
			h = newHost(e, len(placed))
			h.joined.Store(now)
			h.home = b
			h.owner.Store(b)
		}
		h.say(e)
		h.warmup.Store(k.warmup)
		s.hosts[i], s.byAddr[e.Addr] = h, h
	}
	s.group(k.weighted)
	return s
}

// find is the host of an address, or nil. The set may be nil.
func (s *hostSet) find(addr string) *Host {
	if s == nil {
		return nil
	}
	return s.byAddr[addr]
}

// said is what the set's hosts say now, for restore.
func (s *hostSet) said() []*Endpoint {
	if s == nil {
		return nil
	}
	said := make([]*Endpoint, len(s.hosts))
	for i, h := range s.hosts {
		said[i] = h.endpoint.Load()
	}
	return said
}

// restore makes hosts say again what they did, after a set that was to follow
// turned out to be of no use.
func (s *hostSet) restore(said []*Endpoint, warmup *Warmup) {
	for i, e := range said {
		s.hosts[i].say(e)
		s.hosts[i].warmup.Store(warmup)
	}
}

// group fills in s.groups.
func (s *hostSet) group(byLocality bool) {
	at := make(map[uint32]int)
	for _, h := range s.hosts {
		p := h.endpoint.Load().Priority
		i, ok := at[p]
		if !ok {
			i = len(s.groups)
			at[p] = i
			s.groups = append(s.groups, group{priority: p})
		}
		s.groups[i].hosts = append(s.groups[i].hosts, h)
	}
	slices.SortFunc(s.groups, func(a, b group) int { return cmp.Compare(a.priority, b.priority) })
	if byLocality {
		for i := range s.groups {
			s.groups[i].places = placesOf(s.groups[i].hosts)
		}
	}
}

// placesOf sorts hosts by locality, in Envoy's order of localities.
func placesOf(hosts []*Host) []place {
	var places []place
	at := make(map[Locality]int)
	for _, h := range hosts {
		e := h.endpoint.Load()
		i, ok := at[e.Locality]
		if !ok {
			i = len(places)
			at[e.Locality] = i
			places = append(places, place{locality: e.Locality, weight: e.LocalityWeight})
		}
		places[i].hosts = append(places[i].hosts, h)
	}
	for i := range places {
		if places[i].weight == 0 {
			for _, h := range places[i].hosts {
				places[i].weight += h.Weight()
			}
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(
			cmp.Compare(a.locality.Region, b.locality.Region),
			cmp.Compare(a.locality.Zone, b.locality.Zone),
			cmp.Compare(a.locality.SubZone, b.locality.SubZone),
		)
	})
	return places
}
