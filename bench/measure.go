package main

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A benchmark is something to be measured.
type benchmark struct {
	name  string
	chain bool // gets longer windows, since it varies more
	cpus  int  // that it runs on at the same time; zero is one

	// setup is called once. What it returns is called once for each goroutine and
	// makes a loop, which does the operation n times.
	setup func() func() loop
}

type loop func(n int)

// op makes a setup of an operation that goroutines share.
func op(setup func() func()) func() func() loop {
	return func() func() loop {
		do := setup()
		return func() loop {
			return func(n int) {
				for range n {
					do()
				}
			}
		}
	}
}

// times does the operation n times on all CPUs of the benchmark together.
func times(loops []loop, n int) {
	if len(loops) == 1 {
		loops[0](n)
		return
	}
	var all sync.WaitGroup
	for _, l := range loops {
		all.Go(func() { l(n / len(loops)) })
	}
	all.Wait()
}

// start makes the benchmark ready.
func (b *benchmark) start() []loop {
	worker := b.setup()
	loops := make([]loop, max(1, b.cpus))
	for i := range loops {
		loops[i] = worker()
	}
	return loops
}

// A result is what was measured of a benchmark.
type result struct {
	Name   string  `json:"name"`
	CPU    float64 `json:"cpu_ns"`
	Spread float64 `json:"spread"` // between the quartiles, as a share of the median
	Allocs int     `json:"allocs"`
	Ops    int     `json:"ops"` // in a round

	loops  []loop
	rounds []float64
}

// A plan is how long to measure.
type plan struct {
	rounds       int
	chain, other time.Duration // of a window
}

var (
	quick = plan{7, 60 * time.Millisecond, 25 * time.Millisecond}
	full  = plan{10, 200 * time.Millisecond, 80 * time.Millisecond}
)

// ballast is the size of a heap that is there beside what is measured, as it is in any
// real program: without it the collector would run every 4 MiB.
const ballast = 16 << 20

// measure runs all benchmarks, one group after the other, so that what one group
// keeps in memory does not make the collector's work for another.
func (p plan) measure(all []benchmark, tell func(string)) []*result {
	ballast := make([]byte, ballast)
	for i := range ballast {
		ballast[i] = 1 // so that the pages exist
	}
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	var results []*result
	for len(all) > 0 {
		n := 1
		for n < len(all) && groupOf(all[n].name) == groupOf(all[0].name) {
			n++
		}
		tell(groupOf(all[0].name))
		results = append(results, p.group(all[:n])...)
		all = all[n:]
		runtime.GC()
	}
	runtime.KeepAlive(ballast)
	return results
}

// group runs benchmarks round after round.
func (p plan) group(all []benchmark) []*result {
	results := make([]*result, len(all))
	for i := range all {
		b := &all[i]
		runtime.GOMAXPROCS(max(1, b.cpus))
		r := &result{Name: b.name, loops: b.start()}
		r.calibrate(p.window(b))
		results[i] = r
	}
	for range p.rounds {
		runtime.GC()
		for i := range all {
			runtime.GOMAXPROCS(max(1, all[i].cpus))
			r := results[i]
			r.rounds = append(r.rounds, r.window())
		}
	}
	for i, r := range results {
		r.settle(all[i].cpus > 1)
		r.loops = nil
	}
	return results
}

func (p plan) window(b *benchmark) time.Duration {
	if b.chain {
		return p.chain
	}
	return p.other
}

// calibrate finds how many operations fill a window, and counts allocations.
func (r *result) calibrate(window time.Duration) {
	times(r.loops, len(r.loops)) // the first fills caches and pools
	n := len(r.loops)
	for r.Ops = n; ; r.Ops *= 4 {
		if took := r.window() * float64(r.Ops); took > float64(window)/8 {
			r.Ops = max(n, int(float64(r.Ops)*float64(window)/took))
			break
		}
	}
	var before, after runtime.MemStats
	ops := max(n, r.Ops/10)
	runtime.ReadMemStats(&before)
	times(r.loops, ops)
	runtime.ReadMemStats(&after)
	// The average, rounded down: what happens now and then is the runtime's.
	r.Allocs = int(after.Mallocs-before.Mallocs) / ops
}

// window is the CPU time of an operation over one window.
func (r *result) window() float64 {
	start := cpuTime()
	times(r.loops, r.Ops)
	return float64(cpuTime()-start) / float64(r.Ops)
}

// settle makes one figure of the rounds: the lower quartile, and the median where
// several CPUs share something, which varies to both sides.
func (r *result) settle(shared bool) {
	slices.Sort(r.rounds)
	low, middle, high := r.quantile(0.25), r.quantile(0.5), r.quantile(0.75)
	r.CPU = low
	if shared {
		r.CPU = middle
	}
	r.Spread = (high - low) / middle
}

// quantile interpolates between the rounds, which are sorted.
func (r *result) quantile(q float64) float64 {
	at, part := math.Modf(q * float64(len(r.rounds)-1))
	i := int(at)
	if i+1 == len(r.rounds) {
		return r.rounds[i]
	}
	return r.rounds[i]*(1-part) + r.rounds[i+1]*part
}

// cpuTime is what the process has used of all CPUs.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it cannot fail for the process itself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
