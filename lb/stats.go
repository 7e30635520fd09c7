package lb

import "time"

// Stats is what a balancer looks like at a moment.
type Stats struct {
	Levels []LevelStats // by priority
	Hosts  []HostStats  // in the order of the endpoints
}

// LevelStats is one priority.
type LevelStats struct {
	Priority uint32
	Hosts    int
	Usable   int  // hosts that are neither ejected nor unhealthy
	Share    int  // per cent of all requests that it gets
	Panic    bool // all hosts are used since so few are usable
}

// HostStats is one host.
type HostStats struct {
	Addr     string
	Priority uint32
	Locality Locality
	Weight   float64 // as it counts now: less while the host warms up
	Active   int
	Requests uint64        // all so far, those under way included
	Failures uint64        // of them
	Latency  time.Duration // the average that PeakEWMA goes by; zero if none was taken
	Ejected  bool
	Healthy  bool
}

// Stats copies the numbers of all hosts.
func (b *Balancer) Stats() Stats {
	s := b.current.Load()
	stats := Stats{
		Levels: make([]LevelStats, len(s.levels)),
		Hosts:  make([]HostStats, len(s.set.hosts)),
	}
	for i := range s.levels {
		l := &s.levels[i]
		stats.Levels[i] = LevelStats{Priority: l.priority, Hosts: len(l.hosts), Usable: l.healthy, Share: l.share, Panic: l.panic}
	}
	now := time.Now().UnixNano()
	decay := PeakEWMA{}.decay()
	if a, ok := s.conf.algorithm.(PeakEWMA); ok {
		decay = a.decay()
	}
	for i, h := range s.set.hosts {
		e := h.endpoint.Load()
		latency, _ := h.latency.at(now, decay)
		stats.Hosts[i] = HostStats{
			Addr: h.addr, Priority: e.Priority, Locality: e.Locality, Weight: h.weightAt(now),
			Active: h.Active(), Requests: h.Requests(), Failures: h.failures.Load(), Latency: time.Duration(latency),
			Ejected: h.Ejected(), Healthy: h.Healthy(),
		}
	}
	return stats
}
