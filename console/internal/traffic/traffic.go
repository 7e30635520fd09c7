package traffic

import (
	"hash/maphash"
	"sync"
	"time"
)

// Rates look back on the last slots, of which the last is not over yet: 25 to 30
// seconds.
const (
	slotTime = 5 * time.Second
	slots    = 6
)

// A Key names what is counted: the requests for a host by a rule to an upstream, or
// with an endpoint the attempts there.
type Key struct{ Host, Route, Upstream, Endpoint string }

// A series counts what ended.
type series struct {
	total, failed uint64 // since the start
	slots         [slots]slot
}

// A slot is a series during one slotTime.
type slot struct {
	number        int64 // since the traffic began to be counted
	count, failed uint32
	took          histogram
}

// shards is how many locks there are.
const shards = 16

// Counters count by keys, of which they keep a bounded number.
type Counters struct {
	began  time.Time
	most   int // keys of a shard
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu     sync.Mutex
	series map[Key]*series
	swept  int64 // the slot in which there was no room last
	_      [64]byte
}

// New makes counters that keep at most so many series, about.
func New(most int, now time.Time) *Counters {
	t := &Counters{began: now, most: max(1, most/shards), seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].series = map[Key]*series{}
	}
	return t
}

// slotAt is the number of the slot of a moment; what was before all is in the first.
func (t *Counters) slotAt(now time.Time) int64 { return max(0, int64(now.Sub(t.began)/slotTime)) }

// Add counts what ended now.
func (t *Counters) Add(k Key, now time.Time, took time.Duration, failed bool) {
	s := &t.shards[maphash.Comparable(t.seed, k)%shards]
	number := t.slotAt(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.series[k]
	if one == nil {
		one = s.enter(k, number, t.most)
	}
	at := &one.slots[number%slots]
	if at.number < number { // unless somebody was faster by a whole window
		*at = slot{number: number}
	}
	one.total++
	at.count++
	at.took[bucketOf(took)]++
	if failed {
		one.failed++
		at.failed++
	}
}

// enter makes room for a key. Where there is none the oldest that had no traffic
// for a window go, and if all had, it is counted with others.
func (s *shard) enter(k Key, number int64, most int) *series {
	if len(s.series) >= most && s.swept != number {
		s.swept = number
		for k, one := range s.series {
			if one.last() <= number-slots {
				delete(s.series, k)
			}
		}
	}
	if len(s.series) >= most {
		k = others
		if one := s.series[k]; one != nil {
			return one
		}
	}
	one := &series{}
	s.series[k] = one
	return one
}

// others is the key of what has no room of its own.
var others = Key{Route: "(others)"}

// last is the last slot with anything in it.
func (s *series) last() int64 {
	last := int64(-1)
	for i := range s.slots {
		if s.slots[i].count > 0 {
			last = max(last, s.slots[i].number)
		}
	}
	return last
}

// A Rate is what a series looks like from a moment.
type Rate struct {
	Total  uint64 // since the start
	Failed uint64

	PerSecond float64       // over the last window
	ErrorPct  float64       // of those
	P50, P99  time.Duration // of those; zero if there were none
	Count     uint32
	errors    uint32
	took      histogram
}

// Rates are all series as they are now.
func (t *Counters) Rates(now time.Time) map[Key]*Rate {
	number := t.slotAt(now)
	size := t.size()
	all := make(map[Key]*Rate, size)
	room := make([]Rate, 0, size) // one allocation for most
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for k, one := range s.series {
			f := all[k]
			if f == nil {
				if len(room) == cap(room) {
					room = make([]Rate, 0, 16)
				}
				room = room[:len(room)+1]
				f = &room[len(room)-1]
				all[k] = f
			}
			f.Total += one.total
			f.Failed += one.failed
			for j := range one.slots {
				if at := &one.slots[j]; at.count > 0 && at.number > number-slots && at.number <= number {
					f.addSlot(at)
				}
			}
		}
		s.mu.Unlock()
	}
	over := t.Window(now)
	for _, f := range all {
		f.Settle(over)
	}
	return all
}

// size is how many series there are.
func (t *Counters) size() int {
	n := 0
	for i := range t.shards {
		t.shards[i].mu.Lock()
		n += len(t.shards[i].series)
		t.shards[i].mu.Unlock()
	}
	return n
}

// Window is how long rates look back.
func (t *Counters) Window(now time.Time) time.Duration {
	since := now.Sub(t.began)
	return max(min(since, (slots-1)*slotTime+since%slotTime), time.Second)
}

func (f *Rate) addSlot(s *slot) {
	f.Count += s.count
	f.errors += s.failed
	for i, n := range s.took {
		f.took[i] += n
	}
}

// Join adds what was counted by another key.
func (f *Rate) Join(g *Rate) {
	f.Total += g.Total
	f.Failed += g.Failed
	f.Count += g.Count
	f.errors += g.errors
	for i, n := range g.took {
		f.took[i] += n
	}
}

// Settle works out rates and percentiles.
func (f *Rate) Settle(over time.Duration) {
	f.PerSecond = float64(f.Count) / over.Seconds()
	if f.Count == 0 {
		f.ErrorPct, f.P50, f.P99 = 0, 0, 0
		return
	}
	f.ErrorPct = 100 * float64(f.errors) / float64(f.Count)
	f.P50, f.P99 = f.took.percentile(50), f.took.percentile(99)
}
