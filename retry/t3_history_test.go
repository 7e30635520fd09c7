package retry_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/wiretest"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
)

func TestT3TheLastAnswerIsReturnedUnread(t *testing.T) {
	upstream := meshtest.NewUpstream(
		meshtest.Reply{Status: 503, Body: "1"},
		meshtest.Reply{Status: 503, Body: "2"},
		meshtest.Reply{Status: 503, Body: "3"},
	)
	policy := mustNew(t, retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}, Backoff: quick})
	var history retry.History
	r := request(t, "GET", "")
	f, r := flow.Ensure(r.WithContext(retry.WithHistory(r.Context(), &history)))
	res, err := policy.Transport(upstream).RoundTrip(r)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, "3", string(body))
	require.Equal(t, mesh.RetriesExhausted, f.Tell().Flags)
	require.Equal(t, retry.Stats{Retries: 2, Exhausted: 1, Discarded: 2}, policy.Stats())

	require.Len(t, history.Tries, 3)
	for i, try := range history.Tries {
		require.Equal(t, i+1, try.N)
		require.Equal(t, 503, try.Status)
		require.NoError(t, try.Err)
		require.False(t, try.Start.IsZero())
	}
	require.Equal(t, "5xx: 503", history.Tries[0].Why)
	require.Equal(t, "5xx: 503, but no attempt is left", history.Tries[2].Why)
}

func TestT3TheHistoryTellsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := meshtest.NewUpstream(
			meshtest.Reply{Status: 503, Delay: time.Second, Header: http.Header{"Retry-After": {"2"}}},
			meshtest.Reply{Delay: 3 * time.Second},
		)
		policy := mustNew(t, retry.Config{On: []retry.Condition{retry.ServerError}})
		var history retry.History
		r := request(t, "GET", "")
		_, err := policy.Transport(upstream).RoundTrip(r.WithContext(retry.WithHistory(r.Context(), &history)))
		require.NoError(t, err)
		require.Len(t, history.Tries, 2)
		require.Equal(t, time.Second, history.Tries[0].Duration)
		require.Equal(t, 3*time.Second, history.Tries[1].Duration)
		waited := history.Tries[1].Waited
		require.True(t, waited >= 2*time.Second && waited < 3*time.Second, "%v", waited)
		require.Equal(t, "1: 503 after 1s", history.Tries[0].String())
	})
}

func TestT3TheCauseOfAFailureIsFound(t *testing.T) {
	fin := wiretest.Serve(t, wiretest.HTTP1(func(c net.Conn, r *http.Request) {}))
	slow := wiretest.Serve(t, wiretest.HTTP1(func(c net.Conn, r *http.Request) { wiretest.Hang(c) }))
	for name, tt := range map[string]struct {
		addr   string
		perTry time.Duration
		is     error
		flag   mesh.Flag
		stage  mesh.Stage
	}{
		"refused":            {wiretest.Refusing(t), time.Minute, syscall.ECONNREFUSED, "URX,UF", mesh.NotSent},
		"closed":             {fin.Addr(), time.Minute, io.EOF, "URX,UC", mesh.MaybeProcessed},
		"too slow each time": {slow.Addr(), 20 * time.Millisecond, context.DeadlineExceeded, "URX,UT", mesh.MaybeProcessed},
	} {
		t.Run(name, func(t *testing.T) {
			policy := mustNew(t, retry.Config{Attempts: 2, PerTry: tt.perTry, Backoff: quick})
			res, err := policy.Transport(wiretest.NewClient(tt.addr, false)).RoundTrip(request(t, "GET", ""))
			require.Nil(t, res)
			require.ErrorIs(t, err, tt.is)
			require.Equal(t, tt.flag, mesh.FlagOf(err))
			require.Equal(t, tt.stage, mesh.StageOf(err))
			var all *retry.Error
			require.ErrorAs(t, err, &all)
			require.Len(t, all.Tries, 3)
			require.ErrorContains(t, err, "after 3 attempts")
			for _, try := range all.Tries {
				require.ErrorIs(t, try.Err, tt.is)
			}
			var timeout net.Error
			require.ErrorAs(t, err, &timeout)
			require.Equal(t, tt.is == context.DeadlineExceeded, timeout.Timeout())
		})
	}
}

// Whoever asks net/http's way is told of it whichever attempt it met.
func TestTheCallersDeadlineIsATimeoutInALaterAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := mustNew(t, retry.Config{Backoff: quick})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		upstream := meshtest.NewUpstream(meshtest.Reply{Err: io.EOF}, meshtest.Reply{Delay: time.Hour})
		_, err := policy.Transport(upstream).RoundTrip(request(t, "GET", "").WithContext(ctx))
		require.Len(t, upstream.Requests(), 2)
		requireGone(t, err)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout())
	})
}

func TestARefusalOfALayerInsideIsFinal(t *testing.T) {
	for name, refusal := range map[string]*mesh.Error{
		"no endpoint": {Op: "lb", Flag: mesh.NoHealthyUpstream, Status: 503, Details: mesh.DetailsNoHealthyUpstream},
		"overflow":    {Op: "breaker", Flag: mesh.Overflow, Status: 503, Details: mesh.ResetDetails(mesh.ReasonOverflow)},
	} {
		t.Run(name, func(t *testing.T) {
			upstream := meshtest.NewUpstream(meshtest.Reply{Err: refusal}, meshtest.Reply{})
			policy := mustNew(t, retry.Config{On: []retry.Condition{retry.ServerError}, Unsafe: true, Backoff: quick})
			_, err := policy.Transport(upstream).RoundTrip(request(t, "GET", ""))
			require.Equal(t, error(refusal), err)
			require.Len(t, upstream.Requests(), 1)
		})
	}
}

// After a failed attempt Envoy's text of a reset says that there was one, whether
// or not this was the last attempt allowed.
func TestTheTextOfAResetTellsOfARetry(t *testing.T) {
	gone := errors.New("gone")
	for name, tt := range map[string]struct {
		replies []meshtest.Reply
		flag    mesh.Flag
		text    string
	}{
		"reset at once": {
			[]meshtest.Reply{{Err: gone}}, "UC",
			"upstream connect error or disconnect/reset before headers. reset reason: connection termination",
		},
		"reset at the retry of an answer": {
			[]meshtest.Reply{{Status: 503}, {Err: gone}}, "UC",
			"upstream connect error or disconnect/reset before headers. retried and the latest reset reason: connection termination",
		},
	} {
		t.Run(name, func(t *testing.T) {
			policy := mustNew(t, retry.Config{On: []retry.Condition{}, Statuses: []int{503}, Backoff: quick})
			_, err := policy.Transport(meshtest.NewUpstream(tt.replies...)).RoundTrip(request(t, "GET", ""))
			require.ErrorIs(t, err, gone)
			require.Equal(t, tt.flag, mesh.FlagOf(err))
			require.Equal(t, tt.text, mesh.AsError(err).Body())
		})
	}
}
