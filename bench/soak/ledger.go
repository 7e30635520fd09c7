package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sidecarless/mesh/access"
)

// A ledger counts requests: those that were sent, those that ended, by how they
// did, and those that the access log was told of.
type ledger struct {
	sent, told, attempts atomic.Int64

	mu         sync.Mutex
	ended      int64
	ends       map[string]int64
	unexpected map[string]int64
}

// tell is the access log.
func (l *ledger) tell(_ context.Context, r access.Record) {
	l.told.Add(1)
	l.attempts.Add(int64(r.Attempts))
}

func (l *ledger) note(end string, expected bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ends == nil {
		l.ends, l.unexpected = make(map[string]int64), make(map[string]int64)
	}
	l.ended++
	l.ends[end]++
	if !expected {
		l.unexpected[end]++
	}
}

// check is nil if, with nothing under way, every request is accounted for.
func (l *ledger) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent, told := l.sent.Load(), l.told.Load()
	if sent != l.ended || sent != told {
		return fmt.Errorf("%d were sent, %d have ended, %d were told", sent, l.ended, told)
	}
	if len(l.unexpected) > 0 {
		return fmt.Errorf("unexpected: %s", count(l.unexpected))
	}
	return nil
}

func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d requests, %d attempts: %s", l.sent.Load(), l.attempts.Load(), count(l.ends))
}

// count lists what there was, the most frequent first.
func count(of map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		if of[a] != of[b] {
			return int(of[b] - of[a])
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, of[name])
	}
	return strings.Join(names, ", ")
}
