package limit

import (
	"container/list"
	"hash/maphash"
	"math/bits"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A table holds the buckets of the keys used last. It does not hold the keys, which
// can be long and secret, but their hashes by a seed that nobody knows: of a
// million keys two share a bucket with a chance of one in forty million.
type table struct {
	seed   maphash.Seed
	shards []shard // a power of two
}

// Shards are as many as leave each at least minPerShard keys, so that each has
// about its share of them.
const (
	minPerShard = 1024
	maxShards   = 64
)

// A shard is a part of a table with a lock of its own. It fills two cache lines
// that it shares with no other.
type shard struct {
	mu      sync.Mutex // guards all below
	buckets map[uint64]*list.Element
	used    list.List // of *bucket, the one used last in front
	most    int
	limit   rate.Limit
	burst   int

	allowed, limited, forgotten uint64

	_ [16]byte
}

// A bucket is that of one key.
type bucket struct {
	*rate.Limiter
	hash uint64
}

func newTable(s *settings) *table {
	n := min(max(s.MaxKeys/minPerShard, 1), maxShards)
	t := &table{seed: maphash.MakeSeed(), shards: make([]shard, 1<<(bits.Len(uint(n))-1))}
	for i := range t.shards {
		t.shards[i].buckets = map[uint64]*list.Element{}
	}
	t.update(time.Time{}, s)
	return t
}

// update changes what buckets hold and how many there may be. There remain as
// many shards as at first, with room for one key at least.
func (t *table) update(now time.Time, c *settings) {
	for i := range t.shards {
		t.shards[i].update(now, c, max(c.MaxKeys/len(t.shards), 1))
	}
}

func (s *shard) update(now time.Time, c *settings, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most, s.limit, s.burst = most, c.limit, c.Burst
	s.shrink(most)
	for e := s.used.Front(); e != nil; e = e.Next() {
		reset(e.Value.(*bucket).Limiter, now, c)
	}
}

// take takes a token out of the bucket of a key.
func (t *table) take(key string, now time.Time) (left int, wait time.Duration, ok bool) {
	hash := maphash.String(t.seed, key)
	return t.shards[hash&uint64(len(t.shards)-1)].take(hash, now)
}

func (s *shard) take(hash uint64, now time.Time) (left int, wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.buckets[hash]
	if e != nil {
		s.used.MoveToFront(e)
	} else {
		s.shrink(s.most - 1)
		e = s.used.PushFront(&bucket{rate.NewLimiter(s.limit, s.burst), hash})
		s.buckets[hash] = e
	}
	left, wait, ok = take(e.Value.(*bucket).Limiter, s.limit, now)
	if ok {
		s.allowed++
	} else {
		s.limited++
	}
	return left, wait, ok
}

// shrink forgets the least used buckets until at most so many are left.
func (s *shard) shrink(most int) {
	for s.used.Len() > most {
		b := s.used.Remove(s.used.Back()).(*bucket)
		delete(s.buckets, b.hash)
		s.forgotten++
	}
}

func (t *table) stats() (sum Stats) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		sum.Allowed += s.allowed
		sum.Limited += s.limited
		sum.Forgotten += s.forgotten
		sum.Keys += len(s.buckets)
		s.mu.Unlock()
	}
	return sum
}
