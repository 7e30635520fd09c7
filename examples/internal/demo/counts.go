package demo

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
)

// Counts says how often there was what.
type Counts map[string]int

// Add adds other counts.
func (c Counts) Add(more Counts) {
	for name, n := range more {
		c[name] += n
	}
}

// Total is the sum.
func (c Counts) Total() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// Of is how often there was name, or anything that begins with name and a space:
// "v1" counts for "v1 replica-1", too.
func (c Counts) Of(name string) int {
	n := 0
	for key, k := range c {
		if key == name || strings.HasPrefix(key, name+" ") {
			n += k
		}
	}
	return n
}

// Share is Of as a part of Total.
func (c Counts) Share(name string) float64 { return float64(c.Of(name)) / float64(c.Total()) }

// Expect is an error when the share of a name is not what chance allows around
// the one that is wanted.
func (c Counts) Expect(name string, want float64) error {
	if k, n := c.Of(name), c.Total(); !Plausible(k, n, want) {
		return fmt.Errorf("%s: %d of %d, wanted %.1f %%", name, k, n, 100*want)
	}
	return nil
}

// String is a list such as "90 x v1, 10 x v2".
func (c Counts) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, fmt.Sprintf("%d x %s", c[name], name))
	}
	return strings.Join(parts, ", ")
}

// Print writes a table with a bar for each name.
func (c Counts) Print(heading string) {
	names := slices.Sorted(maps.Keys(c))
	width := len(heading)
	for _, name := range names {
		width = max(width, len(name))
	}
	fmt.Printf("  %-*s  count   share\n", width, heading)
	for _, name := range names {
		share := float64(c[name]) / float64(c.Total())
		bar := strings.Repeat("#", int(math.Ceil(40*share)))
		fmt.Printf("  %-*s  %5d  %5.1f%%  %s\n", width, name, c[name], 100*share, bar)
	}
}

// A Tally counts from several goroutines. Its zero value is ready.
type Tally struct {
	mu     sync.Mutex
	counts Counts
}

// Add counts one more.
func (t *Tally) Add(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = Counts{}
	}
	t.counts[name]++
}

// Take returns what was counted since it was last called.
func (t *Tally) Take() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := t.counts
	t.counts = nil
	return counts
}

// Plausible reports whether k successes in n independent trials of probability p
// are less surprising than one in a million on either side.
func Plausible(k, n int, p float64) bool {
	const surprise = 1e-6
	switch {
	case k < 0 || k > n:
		return false
	case p <= 0:
		return k == 0
	case p >= 1:
		return k == n
	}
	var below, above float64 // the chance of at most, and at least, k
	for i := 0; i <= n; i++ {
		chance := math.Exp(logChoose(n, i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
		if i <= k {
			below += chance
		}
		if i >= k {
			above += chance
		}
	}
	return min(below, above) >= surprise/2
}

// logChoose is the logarithm of n over k.
func logChoose(n, k int) float64 {
	lgamma := func(n int) float64 { v, _ := math.Lgamma(float64(n + 1)); return v }
	return lgamma(n) - lgamma(k) - lgamma(n-k)
}
