package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// workers send requests, one at a time each.
const workers = 8

// The bounds on growth: a share of the mean, and some slack for what differs from
// one moment to the next, such as idle connections.
const (
	share          = 0.05
	heapSlack      = 256 << 10
	goroutineSlack = 4
)

// A plan is how long to soak, and how hard.
type plan struct {
	length  time.Duration
	rate    int // requests a second, of all callers together
	samples int
}

// soak carries out the plan and tells w of it.
func (p plan) soak(ctx context.Context, w io.Writer) error {
	before := runtime.NumGoroutine()
	r, err := newWorld()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s at %d requests a second, %d samples\n", p.length, p.rate, p.samples)
	err = p.run(ctx, r, w)
	for _, c := range r.callers {
		fmt.Fprintf(w, "%s: %s\n", c.name, &c.ledger)
	}
	fmt.Fprintf(w, "%s\n", r)
	err = errors.Join(err, r.close())
	for limit := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			stacks := make([]byte, 1<<20)
			return errors.Join(err, fmt.Errorf("%d goroutines are left, there were %d:\n%s",
				runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)]))
		}
	}
	if err == nil {
		fmt.Fprintln(w, "everything was closed, no goroutine is left: PASS")
	}
	return err
}

// every is how often the world changes.
const every = time.Second

// run sends the load, changes the world again and again, and takes samples.
func (p plan) run(ctx context.Context, r *world, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	// Whoever sends holds it for reading.
	var pause sync.RWMutex
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for i := range workers {
		all.Go(func() {
			for p.await(ctx, i) {
				pause.RLock()
				r.callers[rand.IntN(len(r.callers))].send()
				pause.RUnlock()
			}
		})
	}
	var s samples
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	start := time.Now()
	for len(s.heap) < p.samples {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
		pause.Lock() // so that all have ended that may still go to servers of the configuration before
		err := r.leave()
		pause.Unlock()
		if err == nil {
			err = r.change()
		}
		if err != nil {
			return fmt.Errorf("reload %d: %w", r.version, err)
		}
		<-tick.C // connections are there again
		if due := p.length * time.Duration(len(s.heap)+1) / time.Duration(p.samples); time.Since(start) < due-every/2 {
			continue
		}
		pause.Lock()
		err = r.settled()
		s.take()
		pause.Unlock()
		fmt.Fprintf(w, "%8s  heap %.0f KiB  goroutines %.0f  resident %d KiB  %d requests\n", time.Since(start).Round(time.Second),
			s.heap[len(s.heap)-1]/1024, s.goroutines[len(s.goroutines)-1], resident(), r.sent())
		if err != nil {
			return err
		}
	}
	return s.judge(w)
}

// await waits for the worker's next turn, and reports whether there is one.
func (p plan) await(ctx context.Context, worker int) bool {
	mean := time.Second * workers / time.Duration(p.rate)
	timer := time.NewTimer(time.Duration(rand.Int64N(2 * int64(mean))))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// samples are of the live heap, in bytes, and of goroutines.
type samples struct{ heap, goroutines []float64 }

// take looks several times and keeps the least: checks of health come and go also
// while nobody sends.
func (s *samples) take() {
	heap, goroutines := math.Inf(1), math.Inf(1)
	for range 5 {
		var m runtime.MemStats
		runtime.GC() // with the one before it also takes what pools have let go
		runtime.ReadMemStats(&m)
		heap, goroutines = min(heap, float64(m.HeapAlloc)), min(goroutines, float64(runtime.NumGoroutine()))
		time.Sleep(5 * time.Millisecond)
	}
	s.heap, s.goroutines = append(s.heap, heap), append(s.goroutines, goroutines)
}

// judge leaves out the first third, in which pools and tables fill.
func (s *samples) judge(w io.Writer) error {
	warm := len(s.heap) / 3
	heap, goroutines := trendOf(s.heap[warm:]), trendOf(s.goroutines[warm:])
	fmt.Fprintf(w, "heap: mean %.0f KiB, growth %.0f ± %.0f KiB\n", heap.mean/1024, heap.growth/1024, heap.doubt/1024)
	fmt.Fprintf(w, "goroutines: mean %.1f, growth %.1f ± %.1f\n", goroutines.mean, goroutines.growth, goroutines.doubt)
	var all []error
	if err := heap.flat(share, heapSlack); err != nil {
		all = append(all, fmt.Errorf("the heap %w", err))
	}
	if err := goroutines.flat(share, goroutineSlack); err != nil {
		all = append(all, fmt.Errorf("goroutines: %w", err))
	}
	return errors.Join(all...)
}

// resident is the memory of the process in KiB, 0 where there is no /proc.
func resident() int {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	pages, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return pages * os.Getpagesize() / 1024
}
