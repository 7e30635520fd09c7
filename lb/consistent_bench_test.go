package lb

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

func BenchmarkConsistentPick(b *testing.B) {
	for _, n := range []int{10, 100, 10000} {
		for name, a := range bothConsistent {
			b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) {
				p := pickerOf(b, a, manyHosts(n))
				q := Query{Hashed: true}
				b.ReportAllocs()
				for b.Loop() {
					q.Hash += 0x9e3779b97f4a7c15
					p.Pick(q)
				}
			})
		}
	}
}

func BenchmarkConsistentPickByHeader(b *testing.B) {
	h, err := NewHasher(HashSource{Header: "x-user"})
	require.NoError(b, err)
	p := pickerOf(b, RingHash{}, manyHosts(100))
	var requests [64]*http.Request
	for i := range requests {
		requests[i] = &http.Request{URL: &url.URL{}, Header: http.Header{"X-User": {"user-" + strconv.Itoa(i)}}}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		hash, ok, _ := h.Hash(requests[i%len(requests)], 0)
		p.Pick(Query{Hash: hash, Hashed: ok})
		i++
	}
}

// BenchmarkRingBuild makes rings of 160 points a host. naive formats every key
// and sorts all points; one-more adds a host to the ring that there was.
func BenchmarkRingBuild(b *testing.B) {
	const members, points = 1000, 160
	keys := hashKeys(manyHosts(members + 1))
	counts := slices.Repeat([]int{points}, members+1)
	b.Run("naive", func(b *testing.B) {
		for b.Loop() {
			var ring []point
			for m, key := range keys[:members] {
				for n := range points {
					ring = append(ring, point{xxhash.Sum64String(fmt.Sprintf("%s_%d", key, n)), uint32(m)})
				}
			}
			sort.Slice(ring, func(i, j int) bool { return ring[i].hash < ring[j].hash })
		}
	})
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			buildRing(nil, keys[:members], counts[:members], xxHash)
		}
	})
	b.Run("one-more", func(b *testing.B) {
		prev := buildRing(nil, keys[:members], counts[:members], xxHash)
		for b.Loop() {
			buildRing(prev, keys, counts, xxHash)
		}
	})
}

func BenchmarkMaglevBuild(b *testing.B) {
	hosts := manyHosts(1000)
	for b.Loop() {
		pickerOf(b, Maglev{}, hosts)
	}
}
