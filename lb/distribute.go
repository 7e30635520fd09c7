package lb

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/internal/check"
)

// Distribute splits traffic over localities by weights that go by the caller's
// own locality. It sets [Endpoint.LocalityWeight], so it goes with
// [Config.LocalityWeighted]. There is no way out: an endpoint in no locality of
// the rule that applies is left out, even when nothing else is healthy.
//
// It is localityLbSetting.distribute of an Istio DestinationRule.
type Distribute struct {
	Local Locality // where the caller runs
	Rules []Distribution
}

// A Distribution says how callers in some localities spread their requests.
type Distribution struct {
	// From are the callers: a locality whose missing parts stand for any, as does
	// "*" at the end, such as "us-east", "us-east/*" or "us-east/a/*". The first
	// rule that the caller is in applies; without one endpoints stay as they are.
	From string
	// To are localities of endpoints, written like From, and their weights. The
	// localities that one entry stands for share its weight by the weights of their
	// endpoints. Where entries overlap the longer one counts, of two equally long
	// ones the alphabetically first.
	To map[string]uint32
}

// Place implements [Placement].
func (d Distribute) Place(endpoints []Endpoint) []Endpoint {
	for _, rule := range d.Rules {
		if matchLocality(rule.From, d.Local) {
			return rule.place(endpoints)
		}
	}
	return endpoints
}

func (d Distribution) place(endpoints []Endpoint) []Endpoint {
	sums := make(map[Locality]uint64)
	for i := range endpoints {
		sums[endpoints[i].Locality] += uint64(endpoints[i].weight())
	}
	patterns := slices.SortedFunc(maps.Keys(d.To), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	weights := make(map[Locality]uint32)
	for _, pattern := range patterns {
		var taken []Locality
		total := uint64(0)
		for locality, sum := range sums {
			if matchLocality(pattern, locality) {
				taken = append(taken, locality)
				total += sum
			}
		}
		for _, locality := range taken {
			share := float64(sums[locality]) * float64(d.To[pattern]) / float64(total)
			weights[locality] = uint32(math.Ceil(share))
			delete(sums, locality)
		}
	}
	var placed []Endpoint
	for _, e := range endpoints {
		// A weight of zero is no traffic, which LocalityWeight cannot say.
		if w := weights[e.Locality]; w > 0 {
			e.LocalityWeight = w
			placed = append(placed, e)
		}
	}
	return placed
}

// Validate reports all that is wrong with the rules.
func (d Distribute) Validate() error {
	l := check.List{Prefix: "lb"}
	for i, rule := range d.Rules {
		var sub check.List
		checkPattern(&sub, "From", rule.From)
		total := uint64(0)
		for _, pattern := range slices.Sorted(maps.Keys(rule.To)) {
			checkPattern(&sub, "To", pattern)
			total += uint64(rule.To[pattern])
		}
		if total == 0 {
			sub.Add("To", nil, "must give some locality a weight")
		}
		l.Include(index("Rules", i), sub.Err())
	}
	return l.Err()
}

// matchLocality reports whether a pattern of a locality takes one in.
func matchLocality(pattern string, l Locality) bool {
	region, rest, _ := strings.Cut(pattern, "/")
	zone, rest, _ := strings.Cut(rest, "/")
	subZone, _, _ := strings.Cut(rest, "/")
	return (region == "*" || region == l.Region) &&
		(zone == "*" || zone == "" || zone == l.Zone) &&
		(subZone == "*" || subZone == "" || subZone == l.SubZone)
}

func checkPattern(l *check.List, field, pattern string) {
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		switch {
		case part == "":
			l.Add(field, pattern, "has an empty part")
			return
		case strings.Contains(part, "*") && (part != "*" || i < len(parts)-1):
			l.Add(field, pattern, `may have "*" only as its last part`)
			return
		}
	}
	if len(parts) > 3 {
		l.Add(field, pattern, "has more than region, zone and subzone")
	}
}
