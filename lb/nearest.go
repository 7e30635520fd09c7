package lb

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/internal/check"
)

// Nearest makes priorities of how near endpoints are to the caller, so that
// requests leave the caller's zone only as far as its endpoints fail. Near is
// first the same region, zone and subzone, then the same region and zone, then
// the same region, then any other; or what labels say, with By. Without something
// that ejects endpoints or checks their health, nothing is ever used but the
// nearest ones.
//
// Priorities that endpoints have before rank higher than nearness. It is
// localityLbSetting.failover and failoverPriority of an Istio DestinationRule.
type Nearest struct {
	Local  Locality          // where the caller runs
	Labels map[string]string // the caller's labels, for By

	// Failover puts one of the other regions before the rest.
	Failover []Failover

	// By are labels that endpoints should have in common with the caller, the most
	// important one first: an endpoint ranks by the first that differs. An entry
	// "label=value" wants that value instead of the caller's. The labels
	// topology.kubernetes.io/region, topology.kubernetes.io/zone and
	// topology.istio.io/subzone are taken from localities where those are known.
	// When topology.istio.io/network comes first, all endpoints of other networks
	// rank behind those of the caller's, in the same order among each other.
	//
	// With By, localities count only if there are Failover entries as well, among
	// endpoints that rank alike. A caller that has neither labels nor a locality
	// cannot be compared, and By is left out.
	By []string
}

// A Failover says which region callers in a region go to when endpoints of their
// own fail.
type Failover struct{ From, To string }

// Place implements [Placement].
func (n Nearest) Place(endpoints []Endpoint) []Endpoint {
	type rank struct{ given, labels, distance int }
	byLabels := len(n.By) > 0 && (len(n.Labels) > 0 || n.Local != Locality{})
	ranks := make([]rank, len(endpoints))
	for i := range endpoints {
		e := &endpoints[i]
		ranks[i].given = int(e.Priority)
		if byLabels {
			ranks[i].labels = n.unlike(e)
		}
		if len(n.By) == 0 || len(n.Failover) > 0 {
			ranks[i].distance = n.distance(e.Locality)
		}
	}
	compare := func(a, b rank) int {
		return cmp.Or(cmp.Compare(a.given, b.given), cmp.Compare(a.labels, b.labels), cmp.Compare(a.distance, b.distance))
	}
	order := slices.Clone(ranks)
	slices.SortFunc(order, compare)
	order = slices.Compact(order)

	placed := slices.Clone(endpoints)
	for i := range placed {
		level, _ := slices.BinarySearchFunc(order, ranks[i], compare)
		placed[i].Priority = uint32(level)
	}
	return placed
}

// distance is 0 for the caller's own locality, up to 3 for another region, and 4
// for one that failover does not lead to.
func (n Nearest) distance(l Locality) int {
	switch {
	case l.Region == n.Local.Region && l.Zone == n.Local.Zone && l.SubZone == n.Local.SubZone:
		return 0
	case l.Region == n.Local.Region && l.Zone == n.Local.Zone:
		return 1
	case l.Region == n.Local.Region:
		return 2
	}
	for _, f := range n.Failover {
		if f.From == n.Local.Region {
			if f.To != l.Region {
				return 4
			}
			break
		}
	}
	return 3
}

const networkLabel = "topology.istio.io/network"

// unlike is 0 for an endpoint that has all labels as the caller wants them, and
// the higher the earlier the first difference is.
func (n Nearest) unlike(e *Endpoint) int {
	behind := 0
	for i, entry := range n.By {
		label, want, given := strings.Cut(entry, "=")
		if !given {
			want = labelOf(n.Labels, n.Local, label)
		}
		if labelOf(e.Labels, e.Locality, label) == want {
			continue
		}
		if i == 0 && label == networkLabel {
			behind = len(n.By)
			continue
		}
		return behind + len(n.By) - i
	}
	return behind
}

// labelOf is the value of a label, where that of a locality goes before one of the
// same meaning.
func labelOf(labels map[string]string, l Locality, label string) string {
	part := ""
	switch label {
	case "topology.kubernetes.io/region":
		part = l.Region
	case "topology.kubernetes.io/zone":
		part = l.Zone
	case "topology.istio.io/subzone":
		part = l.SubZone
	}
	if part != "" {
		return part
	}
	return labels[label]
}

// Validate reports all that is wrong with the rules.
func (n Nearest) Validate() error {
	l := check.List{Prefix: "lb"}
	for i, f := range n.Failover {
		for _, region := range []struct{ field, name string }{{"From", f.From}, {"To", f.To}} {
			if region.name == "" || strings.ContainsAny(region.name, "/*") {
				l.Add(index("Failover", i)+"."+region.field, region.name, "must be a region")
			}
		}
		if f.From == f.To {
			l.Add(index("Failover", i), f.From, "must lead to another region")
		}
	}
	for i, entry := range n.By {
		if label, _, _ := strings.Cut(entry, "="); label == "" {
			l.Add(index("By", i), entry, "must name a label")
		}
	}
	return l.Err()
}
