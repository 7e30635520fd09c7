package main

import (
	"context"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/limit"
)

// breakers are the benchmarks of one call that succeeds, and of limiters.
func breakers() []benchmark {
	ours := op(func() func() {
		b := made(breaker.New(circuit()))
		return func() {
			permit, err := b.Acquire(context.Background())
			if err != nil {
				panic(err)
			}
			permit.Done(mesh.Outcome{})
		}
	})
	gobreaker := op(func() func() {
		b := gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{})
		call := func() (struct{}, error) { return struct{}{}, nil }
		return func() { b.Execute(call) } //nolint:errcheck // it does not fail
	})
	failsafe := op(func() func() {
		b := circuitbreaker.NewBuilder[struct{}]().WithFailureThreshold(5).Build()
		return func() {
			if b.TryAcquirePermit() {
				b.RecordSuccess()
			}
		}
	})
	allow := op(func() func() {
		l := rate.NewLimiter(1e9, 1e9)
		return func() { l.Allow() }
	})
	limited := op(func() func() {
		l := made(limit.New(limit.Config{Rate: 1e9}))
		return func() { l.Allow("", time.Now()) }
	})
	return []benchmark{
		{name: "Breaker/ours", setup: ours},
		{name: "Breaker/gobreaker", setup: gobreaker},
		{name: "Breaker/failsafe", setup: failsafe},
		{name: "BreakerPar/ours-2", cpus: 2, setup: ours},
		{name: "BreakerPar/gobreaker-2", cpus: 2, setup: gobreaker},
		{name: "BreakerPar/failsafe-2", cpus: 2, setup: failsafe},
		{name: "Limiter/ours", setup: limited},
		{name: "Limiter/x-time-rate", setup: allow},
		{name: "LimiterPar/ours-2", cpus: 2, setup: limited},
		{name: "LimiterPar/x-time-rate-2", cpus: 2, setup: allow},
	}
}
