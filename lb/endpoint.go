package lb

import (
	"fmt"
	"strings"
)

// A Locality is where something runs, from the wide to the narrow. Empty parts
// are unknown.
type Locality struct{ Region, Zone, SubZone string }

// ParseLocality reads "region", "region/zone" or "region/zone/subzone". Further
// parts are dropped, as Istio does; an empty text is the unknown locality. A part
// may be empty only if nothing follows it.
func ParseLocality(s string) (Locality, error) {
	var l Locality
	rest := s
	for _, part := range []*string{&l.Region, &l.Zone, &l.SubZone} {
		*part, rest, _ = strings.Cut(rest, "/")
	}
	if l.Region == "" && l.Zone+l.SubZone != "" || l.Zone == "" && l.SubZone != "" {
		return Locality{}, fmt.Errorf("locality %q has an empty part before another", s)
	}
	return l, nil
}

// String is the form that [ParseLocality] reads.
func (l Locality) String() string {
	return strings.TrimRight(l.Region+"/"+l.Zone+"/"+l.SubZone, "/")
}

// An Endpoint is an address that requests can go to, and what is known of it.
// Only Addr is required.
type Endpoint struct {
	// Addr is the host and port, such as "10.0.0.1:9080" or "[::1]:9080". It is the
	// identity of the endpoint: what was counted for it is kept as long as it is
	// among the endpoints.
	Addr string

	// Weight is its share of the requests in relation to others; zero is one.
	Weight uint32

	// Priority is the level it belongs to; zero is the first to be used. Levels
	// below get what those above cannot take.
	Priority uint32

	// Locality is where it runs.
	Locality Locality

	// LocalityWeight is the weight of its locality among those of the same
	// priority, where [Config.LocalityWeighted] asks for such weights; endpoints of
	// one locality and priority say the same. Zero is the sum of the weights of the
	// locality's endpoints.
	LocalityWeight uint32

	// Labels describe it. Failover by labels goes by them. The map must not be
	// changed any more.
	Labels map[string]string

	// HashKey takes the place of Addr in consistent hashing, so that an endpoint
	// keeps its requests when its address changes.
	HashKey string
}

// Addrs are endpoints that are known by their addresses only.
func Addrs(addrs ...string) []Endpoint {
	endpoints := make([]Endpoint, len(addrs))
	for i, addr := range addrs {
		endpoints[i].Addr = addr
	}
	return endpoints
}

// weight is e.Weight with its default.
func (e *Endpoint) weight() uint32 { return max(e.Weight, 1) }

// hashKey is what consistent hashing knows the endpoint by.
func (e *Endpoint) hashKey() string {
	if e.HashKey != "" {
		return e.HashKey
	}
	return e.Addr
}
