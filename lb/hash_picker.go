package lb

import "slices"

// hash is where a request is placed: by its hash, or anywhere.
func (q *Query) hash() uint64 {
	if q.Hashed {
		return q.Hash
	}
	return q.Draw
}

// weightShares are the shares of hosts by their weights. They are Envoy's to the
// last bit: where a ring's points are rounded, a bit decides.
func weightShares(hosts []*Host) []float64 {
	return appendShares(make([]float64, 0, len(hosts)), hosts, 1)
}

// appendShares appends the shares of the hosts of a locality, which has the part
// whole of all.
func appendShares(shares []float64, hosts []*Host, whole float64) []float64 {
	sum := uint64(0)
	for _, h := range hosts {
		sum += uint64(h.Weight())
	}
	for _, h := range hosts {
		shares = append(shares, float64(h.Weight())*whole/float64(sum))
	}
	return shares
}

// hashKeys are the texts by which hosts are placed.
func hashKeys(hosts []*Host) []string {
	keys := make([]string, len(hosts))
	for i, h := range hosts {
		keys[i] = h.endpoint.Load().hashKey()
	}
	return keys
}

// An owners is what rings and tables have in common: for each entry the host
// that has it.
type owners struct {
	of    []uint32 // indexes into hosts
	hosts []*Host
	bound *bound // nil: no bound on load
}

// pick is the host of entry i, to which the request's hash has led. If that one
// has been tried it is the host of the next entry whose host has not, so that a
// key finds the same substitute each time.
func (o *owners) pick(i int, q *Query) *Host {
	host := o.of[i]
	var tried []*Host
	if len(q.Tried) > 0 {
		tried = q.Tried
		host = o.untried(i, tried)
	}
	if o.bound != nil {
		return o.bound.choose(host, q.hash(), tried)
	}
	return o.hosts[host]
}

// untried is the host of the first entry from i on whose host is not in tried,
// and the one of entry i if there is none.
func (o *owners) untried(i int, tried []*Host) uint32 {
	isUntried := func(h *Host) bool { return !slices.Contains(tried, h) }
	if slices.ContainsFunc(o.hosts, isUntried) {
		for n := range o.of {
			if host := o.of[(i+n)%len(o.of)]; isUntried(o.hosts[host]) {
				return host
			}
		}
	}
	return o.of[i]
}
