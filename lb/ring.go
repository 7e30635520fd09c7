package lb

import (
	"cmp"
	"math/bits"
	"slices"
	"strconv"
)

// A ring is the table of a consistent hash: points in ascending order, each
// with the member that it belongs to. It holds no live state and never changes.
type ring struct {
	hashes []uint64
	owners []uint32 // of each point, an index into the members

	// Hashes are spread evenly, so the top bits of one tell nearly where it
	// stands: starts[b] is the first point whose top bits are at least b.
	starts []uint32
	shift  uint8

	// What the points were made from, for the next ring.
	keys   []string
	counts []int
	hash   pointHash
}

// longestNumber is room for the digits of a point's number.
const longestNumber = 20

// A point is one entry of a ring.
type point struct {
	hash  uint64
	owner uint32
}

func comparePoints(a, b point) int {
	if c := cmp.Compare(a.hash, b.hash); c != 0 {
		return c
	}
	return cmp.Compare(a.owner, b.owner)
}

// find is the index of the point that a hash falls to: the first at or after it,
// and behind the last one the first of all. The ring must have points.
func (r *ring) find(h uint64) int {
	i := int(r.starts[h>>r.shift])
	for i < len(r.hashes) && r.hashes[i] < h {
		i++
	}
	if i == len(r.hashes) {
		return 0
	}
	return i
}

// buildRing gives member m counts[m] points, the hashes of keys[m] + "_" + n for
// n from 0. What prev has of them (it may be nil) is taken over in its order, so
// that only new points are hashed and sorted.
func buildRing(prev *ring, keys []string, counts []int, hash pointHash) *ring {
	r := &ring{keys: keys, counts: counts, hash: hash}
	fresh, gone, moved := r.changes(prev)

	total := 0
	for _, n := range counts {
		total += n
	}
	r.hashes = make([]uint64, 0, total)
	r.owners = make([]uint32, 0, total)
	if moved != nil {
		for i, h := range prev.hashes {
			owner := moved[prev.owners[i]]
			if owner < 0 {
				continue
			}
			p := point{h, uint32(owner)}
			if len(gone) > 0 && gone[0] == p {
				gone = gone[1:]
				continue
			}
			for len(fresh) > 0 && comparePoints(fresh[0], p) < 0 {
				r.push(fresh[0])
				fresh = fresh[1:]
			}
			r.push(p)
		}
	}
	for _, p := range fresh {
		r.push(p)
	}
	r.index()
	return r
}

func (r *ring) push(p point) {
	r.hashes = append(r.hashes, p.hash)
	r.owners = append(r.owners, p.owner)
}

// changes are the points that r has and prev has not, and those of members of
// both that only prev has, each sorted. For members of prev moved is their index
// in r, or -1; it is nil when nothing can be taken over.
func (r *ring) changes(prev *ring) (fresh, gone []point, moved []int32) {
	known := prev.members(r.hash)
	if known != nil {
		moved = slices.Repeat([]int32{-1}, len(prev.keys))
	}
	need := 0
	for m, key := range r.keys {
		need += r.counts[m]
		if old, ok := known[key]; ok {
			need -= min(r.counts[m], prev.counts[old])
		}
	}
	fresh = make([]point, 0, need)
	var text []byte
	for m, key := range r.keys {
		text = slices.Grow(append(append(text[:0], key...), '_'), longestNumber)
		from, to := 0, r.counts[m]
		// A second member of the same key gets its points anew.
		if old, ok := known[key]; ok && moved[old] < 0 {
			moved[old] = int32(m)
			from = min(to, prev.counts[old])
			gone = r.hash.points(gone, text, m, to, prev.counts[old])
		}
		fresh = r.hash.points(fresh, text, m, from, to)
	}
	slices.SortFunc(gone, comparePoints)
	return sortPoints(fresh), gone, moved
}

// members are the members of a ring by key; nil when a ring whose points are
// made by hash can take nothing over.
func (r *ring) members(hash pointHash) map[string]int {
	if r == nil || r.hash != hash || len(r.hashes) == 0 {
		return nil
	}
	byKey := make(map[string]int, len(r.keys))
	for m, key := range r.keys {
		byKey[key] = m
	}
	return byKey
}

// points appends the points from to to-1 of a member. The text is its key and
// the underscore.
func (hash pointHash) points(list []point, text []byte, member, from, to int) []point {
	for n := from; n < to; n++ {
		full := strconv.AppendInt(text, int64(n), 10)
		list = append(list, point{hash.sum(full), uint32(member)})
		text = full[:len(text)]
	}
	return list
}

// index fills starts, with about two points for each.
func (r *ring) index() {
	width := max(bits.Len(uint(len(r.hashes)))-2, 1)
	r.shift = uint8(64 - width)
	r.starts = make([]uint32, 1<<width)
	next := 0
	for i, h := range r.hashes {
		for b := int(h >> r.shift); next <= b; next++ {
			r.starts[next] = uint32(i)
		}
	}
	for ; next < len(r.starts); next++ {
		r.starts[next] = uint32(len(r.hashes))
	}
}

// sortPoints returns the points in order. Each goes to the place where evenly
// spread hashes put it, and the few that share one are sorted among themselves.
func sortPoints(points []point) []point {
	const few = 64
	if len(points) < few {
		slices.SortFunc(points, comparePoints)
		return points
	}
	width := bits.Len(uint(len(points))) - 1
	shift := 64 - width
	ends := make([]uint32, 1<<width+1)
	for _, p := range points {
		ends[p.hash>>shift+1]++
	}
	for b := 1; b < len(ends); b++ {
		ends[b] += ends[b-1]
	}
	// From here ends[b] is where bucket b begins; once all are placed it is where
	// bucket b ends.
	sorted := make([]point, len(points))
	for _, p := range points {
		b := p.hash >> shift
		sorted[ends[b]] = p
		ends[b]++
	}
	begin := uint32(0)
	for _, end := range ends[:1<<width] {
		switch bucket := sorted[begin:end]; len(bucket) {
		case 0, 1:
		case 2:
			if comparePoints(bucket[1], bucket[0]) < 0 {
				bucket[0], bucket[1] = bucket[1], bucket[0]
			}
		default:
			slices.SortFunc(bucket, comparePoints)
		}
		begin = end
	}
	return sorted
}
