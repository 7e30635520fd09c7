package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/sidecarless/mesh/lb"
)

// Stats tell how current the endpoints are.
type Stats struct {
	Endpoints int       // in the set last handed on
	Found     time.Time // when that set was last found to be current; zero if none was found yet
	Changed   time.Time // when it last became another
	Lookups   uint64    // all there were
	Failures  uint64    // those that failed
	Err       error     // why the last one failed; nil if it did not
}

// Age is for how long the endpoints have not been found current, zero before
// they were found at all.
func (s Stats) Age(now time.Time) time.Duration {
	if s.Found.IsZero() {
		return 0
	}
	return now.Sub(s.Found)
}

// firstRetry is the wait after a first failure. It doubles with each further one,
// up to the interval.
const firstRetry = time.Second

// jitter is the part of a wait that is drawn, so that processes started together
// do not ask together forever.
const jitter = 0.2

// A poller asks again and again, and hands on what is new.
type poller struct {
	what     string // for the log
	interval time.Duration
	logger   *slog.Logger
	rand     func() uint64 // nil: math/rand/v2

	// find gets the endpoints; with an error as well, those of them that are still
	// known.
	find func(ctx context.Context) ([]lb.Endpoint, error)

	mu    sync.Mutex // guards stats
	stats Stats
}

// Stats returns a copy of the numbers. It may be called at any time.
func (p *poller) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// run polls until ctx ends, and returns the cause of that.
func (p *poller) run(ctx context.Context, update func([]lb.Endpoint) error) error {
	var current []lb.Endpoint
	known := false // false: current has not been handed on
	failures := 0
	for {
		found, err := p.find(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		usable := err == nil || len(found) > 0
		changed := usable && !(known && slices.EqualFunc(found, current, sameEndpoint))
		if changed {
			if refused := update(found); refused != nil {
				changed, err = false, fmt.Errorf("endpoints refused: %w", refused)
			} else {
				current, known = found, true
			}
		}
		p.record(len(current), changed, err)

		wait := p.interval
		if failures++; err == nil {
			failures = 0
		} else if failures < 16 {
			wait = min(wait, firstRetry<<(failures-1))
		}
		timer := time.NewTimer(p.spread(wait))
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// spread draws a wait around d.
func (p *poller) spread(d time.Duration) time.Duration {
	draw := p.rand
	if draw == nil {
		draw = rand.Uint64
	}
	unit := float64(draw()>>11) / (1 << 53)
	return time.Duration(float64(d) * (1 + jitter*(2*unit-1)))
}

func (p *poller) record(endpoints int, changed bool, err error) {
	now := time.Now()
	p.mu.Lock()
	s := &p.stats
	s.Endpoints, s.Err = endpoints, err
	s.Lookups++
	if err != nil {
		s.Failures++
	} else {
		s.Found = now
	}
	if changed {
		s.Changed = now
	}
	age := s.Age(now)
	p.mu.Unlock()

	if p.logger == nil {
		return
	}
	if changed {
		p.logger.Info("endpoints changed", "of", p.what, "endpoints", endpoints)
	}
	if err != nil {
		p.logger.Warn("endpoints not refreshed", "of", p.what, "endpoints", endpoints, "age", age, "error", err)
	}
}

// sameEndpoint reports whether a and b say the same.
func sameEndpoint(a, b lb.Endpoint) bool { return reflect.DeepEqual(a, b) }
