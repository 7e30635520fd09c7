package macro

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A Target is where a client's requests go, and how.
type Target struct {
	Stable []string // HOST:PORT
	Canary []string
	HTTP2  bool
	Roots  string // a file of certificates; empty is without TLS
}

// Clients are the stacks, by name, that the calling process can be asked for. Which
// one has nothing between it and its only stable address is named "direct": it is
// also what proxies are called by.
type Clients map[string]func(Target) (http.RoundTripper, error)

// A setup is what a calling process is told first.
type setup struct {
	Stack  string
	Target Target
}

// A load is what it is asked for then.
type load struct {
	Rate int // requests a second; zero is as many as pass
	For  time.Duration
	Size int // bytes of an answer
}

// A sent is what became of a load.
type sent struct {
	Requests, Errors, Canaries int
	Wall, CPU                  time.Duration
	P50, P99                   time.Duration
	Problem                    string // an example of an error
}

// workers are how many requests are under way at a time, at most.
const workers = 32

// call is the calling process.
func (clients Clients) call(in *json.Decoder, out *json.Encoder) error {
	var s setup
	if err := in.Decode(&s); err != nil {
		return err
	}
	build := clients[s.Stack]
	if build == nil {
		return fmt.Errorf("there is no stack %q", s.Stack)
	}
	stack, err := build(s.Target)
	if err != nil {
		return err
	}
	c := &http.Client{Transport: stack}
	if err := out.Encode(struct{}{}); err != nil {
		return err
	}
	for {
		var l load
		if err := in.Decode(&l); err != nil {
			return err
		}
		if err := out.Encode(l.send(c)); err != nil {
			return err
		}
	}
}

// send loads the system.
func (l load) send(c *http.Client) sent {
	all := make([]sent, workers)
	took := make([][]time.Duration, workers)
	start, cpu := time.Now(), cpuTime()
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { took[i] = l.work(c, start, i, &all[i]) })
	}
	wg.Wait()
	sum := sent{Wall: time.Since(start), CPU: cpuTime() - cpu}
	for _, s := range all {
		sum.Requests += s.Requests
		sum.Errors += s.Errors
		sum.Canaries += s.Canaries
		if s.Problem != "" {
			sum.Problem = s.Problem
		}
	}
	latencies := slices.Concat(took...)
	slices.Sort(latencies)
	if n := len(latencies); n > 0 {
		sum.P50, sum.P99 = latencies[n/2], latencies[n*99/100]
	}
	return sum
}

// work is one worker's part, and how long each request took.
func (l load) work(c *http.Client, start time.Time, worker int, s *sent) []time.Duration {
	// A service makes its calls while it serves a request, which may be given up.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	took := make([]time.Duration, 0, 1<<14)
	end := start.Add(l.For)
	next := start
	var interval time.Duration
	if l.Rate > 0 {
		interval = time.Second * workers / time.Duration(l.Rate)
		next = start.Add(interval * time.Duration(worker) / workers)
	}
	for {
		if l.Rate > 0 {
			if !next.Before(end) {
				return took
			}
			time.Sleep(time.Until(next))
			next = next.Add(interval)
		}
		before := time.Now()
		if l.Rate == 0 && !before.Before(end) {
			return took
		}
		s.Requests++
		isCanary, err := ask(ctx, c, l.Size)
		if err != nil {
			s.Errors++
			s.Problem = err.Error()
		}
		if isCanary {
			s.Canaries++
		}
		took = append(took, time.Since(before))
	}
}

// headerShare is how many of a thousand requests ask for the canary by a header.
const headerShare = 50

// ask makes one request and reads its answer.
func ask(ctx context.Context, c *http.Client, size int) (isCanary bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+Hostname+"/items/"+strconv.Itoa(size), nil)
	if err != nil {
		return false, err
	}
	r.Header["Accept"] = []string{"application/json"}
	r.Header["Accept-Language"] = []string{"en"}
	r.Header["User-Agent"] = []string{"bench/1.0"}
	r.Header["X-Request-Id"] = []string{"6f1c1a52-6d9a-4a0f-8f0b-9a7a2f0d8f11"}
	r.Header["X-User"] = []string{"7"}
	r.Header["Traceparent"] = []string{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
	if rand.IntN(1000) < headerShare {
		r.Header["X-Canary"] = []string{"true"}
	}
	res, err := c.Do(r)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil {
		return false, err
	}
	if res.StatusCode != http.StatusOK || n != int64(size) {
		return false, fmt.Errorf("status %d with %d bytes", res.StatusCode, n)
	}
	return res.Header[versionHeader] != nil, nil
}

// cpuTime is what this process has used of all CPUs.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it cannot fail for the process itself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
