package fault

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/corpus"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/meshtest"
)

// configs are faults that between them take every path.
var configs = map[string]Config{
	"off":           {},
	"hardly ever":   {Abort: Abort{Share: 1, Status: 503}},
	"delay":         {Delay: Delay{Share: mesh.Always, For: time.Millisecond}},
	"spread":        {Delay: Delay{Share: mesh.Always, Spread: Exponential(time.Microsecond)}, MaxActive: 1},
	"abort":         {Abort: Abort{Share: mesh.Always, Status: 503}},
	"half aborted":  {Abort: Abort{Share: mesh.Percent(50), GRPC: 14}, Delay: Delay{Share: mesh.Percent(50), For: time.Millisecond}},
	"reset":         {Abort: Abort{Share: mesh.Always, Reset: true}},
	"drip":          {Drip: Drip{Share: mesh.Always, Rate: 1 << 30}},
	"cut far off":   {Cut: Cut{Share: mesh.Always, After: 1 << 30}},
	"slow and late": {Delay: Delay{Share: mesh.Always, For: time.Millisecond}, Drip: Drip{Share: mesh.Always, Rate: 1 << 30}, MaxActive: 100},
}

func TestTheTransportKeepsTheContract(t *testing.T) {
	for name, c := range configs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := must(t, c)
			meshtest.TestTransport(t, i.Transport)
			require.Zero(t, i.Stats().Active)
		})
	}
}

func TestAnAbortIsTheAnswerOfASidecar(t *testing.T) {
	i := must(t, Config{Abort: Abort{Share: mesh.Always, Status: 418}})
	up := meshtest.NewUpstream()
	for _, method := range []string{"GET", "HEAD"} {
		r := get(t)
		r.Method = method
		f, r := flow.Ensure(r)
		res, err := i.Transport(up).RoundTrip(r)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		want := "fault filter abort"
		if method == "HEAD" {
			want = ""
		}
		require.Equal(t, want, string(body))
		require.Equal(t, 418, res.StatusCode)
		require.Equal(t, http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"18"}}, res.Header)
		require.Equal(t, mesh.FaultInjected, mesh.FlagOf(mesh.ErrorOf(res)))
		require.Equal(t, mesh.FaultInjected, f.Tell().Flags)
		require.Equal(t, []string{"abort with 418"}, f.Tell().Faults)
	}
	require.Empty(t, up.Requests())
	require.Equal(t, Stats{Aborts: 2}, i.Stats())
}

func TestAGRPCStatusIsForGRPCCallers(t *testing.T) {
	for name, tt := range map[string]struct {
		abort  Abort
		grpc   bool
		status int
		header http.Header
	}{
		"status 14, gRPC":            {Abort{GRPC: 14}, true, 200, http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"14"}, "Grpc-Message": {"fault filter abort"}}},
		"status 5, gRPC":             {Abort{GRPC: 5}, true, 200, http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"5"}, "Grpc-Message": {"fault filter abort"}}},
		"HTTP 503, gRPC":             {Abort{Status: 503}, true, 200, http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"14"}, "Grpc-Message": {"fault filter abort"}}},
		"status 14, plain":           {Abort{GRPC: 14}, false, 503, http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"18"}}},
		"status 5, plain":            {Abort{GRPC: 5}, false, 404, http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"18"}}},
		"as in Istio, a plain 200":   {Abort{GRPC: 14, Status: 200}, false, 200, http.Header{"Content-Type": {"text/plain"}, "Content-Length": {"18"}}},
		"as in Istio, gRPC's status": {Abort{GRPC: 14, Status: 200}, true, 200, http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"14"}, "Grpc-Message": {"fault filter abort"}}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.abort.Share = mesh.Always
			r := get(t)
			if tt.grpc {
				r.Header.Set("Content-Type", "application/grpc+proto")
			}
			res, err := must(t, Config{Abort: tt.abort}).Transport(meshtest.NewUpstream()).RoundTrip(r)
			require.NoError(t, err)
			require.Equal(t, tt.status, res.StatusCode)
			for name, want := range tt.header {
				require.Equal(t, want, res.Header[name])
			}
			require.Equal(t, tt.grpc, res.Header["Grpc-Status"] != nil)
		})
	}
}

func TestAResetLooksLikeABrokenConnection(t *testing.T) {
	_, err := must(t, Config{Abort: Abort{Share: mesh.Always, Reset: true}}).Transport(meshtest.NewUpstream()).RoundTrip(get(t))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.Equal(t, mesh.ConnectionLost, mesh.FlagOf(err))
	require.Equal(t, mesh.MaybeProcessed, mesh.StageOf(err))
	require.Equal(t, mesh.Failure, mesh.OutcomeOf(t.Context(), nil, err).Kind, "retries and breakers take it for real")
}

func TestTheDelayComesFirstAndThenTheAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := must(t, Config{
			Delay: Delay{Share: mesh.Always, For: 300 * time.Millisecond},
			Abort: Abort{Share: mesh.Always, Status: 418},
		})
		f, r := flow.Ensure(get(t))
		start := time.Now()
		res, err := i.Transport(meshtest.NewUpstream()).RoundTrip(r)
		require.NoError(t, err)
		require.Equal(t, 418, res.StatusCode)
		require.Equal(t, 300*time.Millisecond, time.Since(start))
		require.Equal(t, mesh.Flag("DI,FI"), f.Tell().Flags)
		require.Equal(t, 300*time.Millisecond, f.Tell().Delayed)
	})
}

func TestADelayEndsWhenTheCallerGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := must(t, Config{Delay: Delay{Share: mesh.Always, For: time.Hour}})
		gone := errors.New("gone")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, gone)
		defer cancel()
		body := &closable{Reader: strings.NewReader("x")}
		r := get(t).WithContext(ctx)
		r.Body = body
		start := time.Now()
		up := meshtest.NewUpstream()
		res, err := i.Transport(up).RoundTrip(r)
		require.Nil(t, res)
		require.ErrorIs(t, err, gone)
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, 1, body.closed)
		require.Empty(t, up.Requests())
		require.Equal(t, Stats{Delays: 1}, i.Stats())
	})
}

type closable struct {
	io.Reader
	closed int
}

func (c *closable) Close() error { c.closed++; return nil }

func TestFaultsAreBoundedUntilTheirAnswersEnd(t *testing.T) {
	i := must(t, Config{Drip: Drip{Share: mesh.Always, Rate: 1 << 30}, MaxActive: 2})
	rt := i.Transport(meshtest.NewUpstream(meshtest.Reply{Body: "ok"}))
	var open []*http.Response
	for range 5 {
		res, err := rt.RoundTrip(get(t))
		require.NoError(t, err)
		open = append(open, res)
	}
	require.Equal(t, Stats{Drips: 2, Overflows: 3, Active: 2}, i.Stats())
	for _, res := range open {
		res.Body.Close()
	}
	require.Zero(t, i.Stats().Active)
}

func TestADripHasTheRateOfEnvoys(t *testing.T) {
	for _, c := range corpus.Cases[struct {
		ID     string
		Bytes  int `json:"body_bytes"`
		MsOver int `json:"ms_over"`
	}](t, "envoy/fault_control") {
		if c.Bytes == 0 {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i := must(t, Config{Drip: Drip{Share: mesh.Always, Rate: 4 << 10}})
				start := time.Now()
				res, err := i.Transport(meshtest.NewUpstream(meshtest.Reply{Body: strings.Repeat("x", c.Bytes)})).RoundTrip(get(t))
				require.NoError(t, err)
				n, err := io.Copy(io.Discard, res.Body)
				require.NoError(t, err)
				require.EqualValues(t, c.Bytes, n)
				// Envoy's clock ticks every 63 ms where a slice is 62.5, and its times are
				// rounded down to 50.
				require.InDelta(t, c.MsOver, time.Since(start).Milliseconds(), 50)
			})
		})
	}
}

func TestADripEndsWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := must(t, Config{Drip: Drip{Share: mesh.Always, Rate: 1}})
		gone := errors.New("gone")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 2500*time.Millisecond, gone)
		defer cancel()
		res, err := i.Transport(meshtest.NewUpstream(meshtest.Reply{Body: "slow body"})).RoundTrip(get(t).WithContext(ctx))
		require.NoError(t, err)
		start := time.Now()
		_, err = io.ReadAll(res.Body)
		require.ErrorIs(t, err, gone)
		require.Equal(t, 2500*time.Millisecond, time.Since(start))
	})
}

func TestACutAnswerBreaksOff(t *testing.T) {
	for name, tt := range map[string]struct {
		after int64
		drip  int64
		body  string
		got   string
		err   error
	}{
		"in the middle":        {3, 0, "abcdef", "abc", io.ErrUnexpectedEOF},
		"at once":              {0, 0, "abcdef", "", io.ErrUnexpectedEOF},
		"not, as it is short":  {6, 0, "abcdef", "abcdef", nil},
		"not, as it is empty":  {0, 0, "", "", nil},
		"and comes slowly too": {4, 32, "abcdef", "abcd", io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			c := Config{Cut: Cut{Share: mesh.Always, After: tt.after}}
			if tt.drip > 0 {
				c.Drip = Drip{Share: mesh.Always, Rate: tt.drip}
			}
			res, err := must(t, c).Transport(meshtest.NewUpstream(meshtest.Reply{Body: tt.body})).RoundTrip(get(t))
			require.NoError(t, err)
			got, err := io.ReadAll(res.Body)
			require.Equal(t, tt.got, string(got))
			require.Equal(t, tt.err, err)
		})
	}
}

// fixed answers without cost.
type fixed struct{ res *http.Response }

func (f fixed) RoundTrip(*http.Request) (*http.Response, error) { return f.res, nil }

func TestRequestsThatPassCostNoAllocation(t *testing.T) {
	base := fixed{&http.Response{StatusCode: 200, Body: http.NoBody}}
	for _, name := range []string{"off", "hardly ever"} {
		rt := must(t, configs[name]).Transport(base)
		r := get(t)
		require.Zero(t, testing.AllocsPerRun(1000, func() { rt.RoundTrip(r) }), name)
	}
}

func BenchmarkTransport(b *testing.B) {
	base := fixed{&http.Response{StatusCode: 200, Body: http.NoBody}}
	for _, name := range []string{"off", "hardly ever"} {
		b.Run(name, func(b *testing.B) {
			rt := must(b, configs[name]).Transport(base)
			r := get(b)
			b.ReportAllocs()
			for b.Loop() {
				rt.RoundTrip(r)
			}
		})
	}
}
