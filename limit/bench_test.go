package limit_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
)

// BenchmarkLimiter is one decision with its reading of the clock, beside the
// decision of x/time/rate.
func BenchmarkLimiter(b *testing.B) {
	const plenty = 1e9
	b.Run("ours", func(b *testing.B) {
		l := must(b, limit.Config{Rate: plenty, Burst: plenty})
		b.ReportAllocs()
		for b.Loop() {
			l.Allow("", time.Now())
		}
	})
	b.Run("x-time-rate", func(b *testing.B) {
		l := rate.NewLimiter(plenty, plenty)
		b.ReportAllocs()
		for b.Loop() {
			l.Allow()
		}
	})
	b.Run("ours-given-the-time", func(b *testing.B) {
		l, now := must(b, limit.Config{Rate: plenty, Burst: plenty}), time.Now()
		b.ReportAllocs()
		for b.Loop() {
			now = now.Add(1)
			l.Allow("", now)
		}
	})
	b.Run("ours-refused", func(b *testing.B) {
		l := must(b, limit.Config{Rate: 1e-6, Burst: 1})
		b.ReportAllocs()
		for b.Loop() {
			l.Allow("", time.Now())
		}
	})
	for _, keys := range []int{1, 1_000, 1_000_000} {
		b.Run("ours-keyed/n="+strconv.Itoa(keys), func(b *testing.B) {
			l := must(b, limit.Config{Rate: plenty, Burst: plenty, Key: match.PeerKey(), MaxKeys: 1_000_000})
			names := make([]string, keys)
			for i := range names {
				names[i] = "user-" + strconv.Itoa(i)
				l.Allow(names[i], time.Now())
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				l.Allow(names[i*7919%keys], time.Now())
			}
		})
	}
}

// BenchmarkLimiterPar is what goroutines on all CPUs do to each other.
func BenchmarkLimiterPar(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		l := must(b, limit.Config{Rate: 1e9, Burst: 1e9})
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				l.Allow("", time.Now())
			}
		})
	})
	b.Run("x-time-rate", func(b *testing.B) {
		l := rate.NewLimiter(1e9, 1e9)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				l.Allow()
			}
		})
	})
	b.Run("ours-keyed", func(b *testing.B) {
		l := must(b, limit.Config{Rate: 1e9, Burst: 1e9, Key: match.PeerKey(), MaxKeys: 100_000})
		names := make([]string, 1000)
		for i := range names {
			names[i] = "user-" + strconv.Itoa(i)
		}
		b.RunParallel(func(p *testing.PB) {
			for i := 0; p.Next(); i++ {
				l.Allow(names[i*7919%len(names)], time.Now())
			}
		})
	})
}

// BenchmarkHandler is the layer around a handler that does nothing.
func BenchmarkHandler(b *testing.B) {
	l := must(b, limit.Config{Rate: 1e9, Burst: 1e9, Key: match.PeerKey()})
	h := l.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
