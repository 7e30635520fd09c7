package breaker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

func TestRequestsWaitInLineForAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Limits: LimitsConfig{MaxConnections: 1, MaxPending: 3}})
		first, err := b.Acquire(t.Context())
		require.NoError(t, err)
		var mu sync.Mutex
		var order []int
		for i := range 3 {
			go func() {
				p, err := b.Acquire(t.Context())
				require.NoError(t, err)
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				p.Done(good)
			}()
			synctest.Wait()
		}
		_, err = b.Acquire(t.Context())
		require.Equal(t, mesh.Overflow, mesh.FlagOf(err))
		require.Equal(t, "upstream_reset_before_response_started{overflow}", mesh.AsError(err).Details)
		require.Equal(t, LimitsStats{Connections: 1, Pending: 3, Requests: 1, Overflows: 1, NoPlace: 1, Waits: 4}, b.Stats().LimitsStats)
		first.Done(good)
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2}, order)
		require.Equal(t, LimitsStats{Overflows: 1, NoPlace: 1, Waits: 4}, b.Stats().LimitsStats)
	})
}

func TestTheEndOfTheContextEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Limits: LimitsConfig{MaxConnections: 1}, Trip: Trip{Consecutive: 1}})
		first, err := b.Acquire(t.Context())
		require.NoError(t, err)
		enough := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, enough)
		defer cancel()
		_, err = b.Acquire(ctx)
		require.Equal(t, enough, err)
		require.Equal(t, 0, b.Stats().Pending)
		first.Done(good)
		require.Zero(t, b.Stats().Connections)
		require.True(t, try(b, good))
	})
}

func TestWaitingRequestsDoNotCountAsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Limits: LimitsConfig{MaxConnections: 1, MaxPending: 9, MaxRequests: 2}})
		var served atomic.Int64
		for range 4 {
			go func() {
				p, err := b.Acquire(t.Context())
				require.NoError(t, err)
				time.Sleep(time.Second)
				served.Add(1)
				p.Done(good)
			}()
		}
		time.Sleep(5 * time.Second)
		require.EqualValues(t, 4, served.Load())
	})
}

func TestNegativeMaxPendingLetsNobodyWait(t *testing.T) {
	b := mustNew(t, Config{Limits: LimitsConfig{MaxConnections: 1, MaxPending: -1}})
	p, err := b.Acquire(t.Context())
	require.NoError(t, err)
	require.False(t, try(b, good))
	p.Done(good)
	require.True(t, try(b, good))
}

func TestARaisedLimitLetsWaitersThroughAtTheNextEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, Config{Limits: LimitsConfig{MaxConnections: 1}})
		first, err := b.Acquire(t.Context())
		require.NoError(t, err)
		var through atomic.Int64
		for range 5 {
			go func() {
				_, err := b.Acquire(t.Context())
				require.NoError(t, err)
				through.Add(1)
			}()
		}
		synctest.Wait()
		require.NoError(t, b.Update(Config{Limits: LimitsConfig{MaxConnections: 3}}))
		first.Done(good)
		synctest.Wait()
		require.EqualValues(t, 3, through.Load())
		require.NoError(t, b.Update(Config{Limits: LimitsConfig{MaxConnections: 5}}))
		for range 2 {
			b.line.leave(&b.limits)
		}
		synctest.Wait()
		require.EqualValues(t, 5, through.Load())
	})
}

func TestAnEndpointWithoutAConnectionMayHaveOne(t *testing.T) {
	l, err := NewLimits(LimitsConfig{MaxConnections: 1})
	require.NoError(t, err)
	require.True(t, l.TakeConnection(true))
	require.True(t, l.TakeConnection(true))
	require.False(t, l.TakeConnection(false))
	require.Equal(t, 2, l.Stats().Connections)
}
