package access_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/access"
)

func TestAQueueHandsOnInOrder(t *testing.T) {
	var paths []string
	q := access.NewQueue(10, func(_ context.Context, r access.Record) { paths = append(paths, r.Path) })
	for i := range 3 {
		q.Sink(t.Context(), access.Record{Path: fmt.Sprint(i)})
	}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	require.ErrorIs(t, q.Run(ctx), why)
	require.Equal(t, []string{"0", "1", "2"}, paths, "what is in it at the end is handed on")
	require.Zero(t, q.Dropped())
}

func TestAQueueNeverWaits(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	told := 0
	q := access.NewQueue(2, func(context.Context, access.Record) {
		if told++; told == 1 {
			close(entered)
			<-leave
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		q.Run(ctx)
	}()
	q.Sink(t.Context(), access.Record{})
	<-entered
	for range 5 {
		q.Sink(t.Context(), access.Record{}) // two of them fit
	}
	require.EqualValues(t, 3, q.Dropped())
	close(leave)
	cancel()
	<-done
	require.Equal(t, 3, told)
}

// TestAQueueCountsExactly has many requests at once: each is told or counted.
func TestAQueueCountsExactly(t *testing.T) {
	told := 0
	q := access.NewQueue(16, func(context.Context, access.Record) { told++ })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		q.Run(ctx)
	}()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				q.Sink(context.Background(), access.Record{})
			}
		})
	}
	wg.Wait()
	cancel()
	<-done
	require.EqualValues(t, 8*500, uint64(told)+q.Dropped())
}

func TestAQueueCopiesWhatIsNotItsOwn(t *testing.T) {
	var got access.Record
	q := access.NewQueue(0, func(_ context.Context, r access.Record) { got = r })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://reviews/a", strings.NewReader("body"))
	require.NoError(t, err)
	r.Header.Set("X-A", "1")
	header, trailer := http.Header{"X-B": {"1"}}, http.Header{"X-C": {"1"}}
	q.Sink(t.Context(), access.Record{Request: r, Header: header, Trailer: trailer})
	r.Header.Set("X-A", "2")
	r.URL.Path = "/b"
	header.Set("X-B", "2")
	trailer.Set("X-C", "2")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q.Run(ctx)
	require.Equal(t, "1", got.Request.Header.Get("X-A"))
	require.Equal(t, "/a", got.Request.URL.Path)
	require.Equal(t, http.Header{"X-B": {"1"}}, got.Header)
	require.Equal(t, http.Header{"X-C": {"1"}}, got.Trailer)
	require.Equal(t, http.NoBody, got.Request.Body)
}

func TestSamplesHaveEveryFailure(t *testing.T) {
	ok := access.Record{Status: 404, Flags: "DI"}
	for _, failure := range []access.Record{
		{Status: 500}, {Status: 0, Flags: "DC"}, {Status: 429, Err: errors.New("refused")}, {Status: 200, Failure: "unexpected EOF"},
	} {
		log := newTold()
		for range 50 {
			access.Sampled(1_000_000_000, log.Sink)(t.Context(), failure)
		}
		require.Equal(t, 50, log.count(), "%+v", failure)
	}
	log := newTold()
	for range 100 {
		access.Sampled(1, log.Sink)(t.Context(), ok)
	}
	require.Equal(t, 100, log.count())

	// 100,000 draws at 1 in 10 give 10,000, and by six standard deviations of 95 not
	// less than 9,430 nor more than 10,570.
	n := 0
	sampled := access.Sampled(10, func(context.Context, access.Record) { n++ })
	for range 100_000 {
		sampled(t.Context(), ok)
	}
	require.InDelta(t, 10_000, n, 570)
	require.Nil(t, access.Sampled(10, nil))
}
