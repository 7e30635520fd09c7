package breaker

import (
	"context"
	"net/http"
	"testing"

	"github.com/sony/gobreaker/v2"

	"github.com/sidecarless/mesh"
)

func newBench(b *testing.B) *Breaker {
	br, err := New(Config{Trip: Trip{Consecutive: 5}, Limits: LimitsConfig{MaxRequests: 1024}})
	if err != nil {
		b.Fatal(err)
	}
	return br
}

func BenchmarkBreaker(b *testing.B) {
	ok := mesh.Outcome{Status: http.StatusOK}
	ctx := context.Background()
	b.Run("ours", func(b *testing.B) {
		br := newBench(b)
		b.ReportAllocs()
		for b.Loop() {
			p, _ := br.Acquire(ctx)
			p.Done(ok)
		}
	})
	b.Run("ours in parallel", func(b *testing.B) {
		br := newBench(b)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				p, _ := br.Acquire(ctx)
				p.Done(ok)
			}
		})
	})
	b.Run("gobreaker", func(b *testing.B) {
		gb := gobreaker.NewCircuitBreaker[int](gobreaker.Settings{})
		for b.Loop() {
			gb.Execute(func() (int, error) { return 1, nil })
		}
	})
	b.Run("gobreaker in parallel", func(b *testing.B) {
		gb := gobreaker.NewCircuitBreaker[int](gobreaker.Settings{})
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				gb.Execute(func() (int, error) { return 1, nil })
			}
		})
	})
}
