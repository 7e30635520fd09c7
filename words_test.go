package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

func TestChainListsLayersInTheOrderOfARequest(t *testing.T) {
	layer := func(name string) func(string) string {
		return func(next string) string { return name + ">" + next }
	}
	require.Equal(t, "a>b>c>base", mesh.Chain(layer("a"), layer("b"), layer("c"))("base"))
	require.Equal(t, "a>base", mesh.Chain(layer("a"), nil)("base"))
	require.Equal(t, "base", mesh.Chain[string]()("base"))
}

func TestPercent(t *testing.T) {
	for p, want := range map[float64]mesh.Fraction{
		0: 0, 100: mesh.Always, 50: 500_000, 0.1: 1000, 0.29: 2900, 0.0001: 1, 0.00009: 0, 99.99999: 999_999, 33.3333: 333_333,
	} {
		require.Equal(t, want, mesh.Percent(p), "%v", p)
		require.True(t, mesh.Percent(p).Valid())
	}
	for _, p := range []float64{-1, -1e-9, 100.001, math.Inf(1), math.NaN()} {
		require.False(t, mesh.Percent(p).Valid(), "%v", p)
		require.Equal(t, "invalid", mesh.Percent(p).String())
	}
	require.Equal(t, "12.5%", mesh.Percent(12.5).String())
	require.Equal(t, "100%", mesh.Always.String())
}

// Every percentage with four decimals is kept to the millionth, whatever binary
// fractions make of it.
func TestPercentIsExactToTheMillionth(t *testing.T) {
	for n := range 1_000_001 {
		if got := mesh.Percent(float64(n) / 10_000); got != mesh.Fraction(n) {
			t.Fatalf("%d millionths became %d", n, got)
		}
	}
}

func TestAFractionHitsItsShareOfDraws(t *testing.T) {
	for _, f := range []mesh.Fraction{0, 1, 1000, 500_000, mesh.Always} {
		hits := mesh.Fraction(0)
		for draw := range uint64(mesh.Always) {
			if f.Hit(draw) {
				hits++
			}
		}
		require.Equal(t, f, hits)
	}
}

func TestFlags(t *testing.T) {
	require.Equal(t, mesh.Flag("URX,UF"), mesh.RetriesExhausted.With(mesh.ConnectFailure))
	require.Equal(t, mesh.Flag("DI,UT"), mesh.Flag("").With(mesh.DelayInjected).With(mesh.UpstreamTimeout).With(mesh.DelayInjected))
	require.Equal(t, mesh.Flag("DI,URX,UF"), mesh.Flag("DI").With("URX,UF"))
	require.Equal(t, mesh.Flag("UF"), mesh.Flag("UF").With(""))
	require.True(t, mesh.Flag("URX,UF").Has(mesh.ConnectFailure))
	require.False(t, mesh.Flag("UPE").Has("UP"))
	require.False(t, mesh.Flag("").Has(""))
	require.Equal(t, mesh.Flag("DI"), mesh.Flag("DI,UT").Without(mesh.UpstreamTimeout))
	require.Equal(t, mesh.Flag("DI"), mesh.Flag("DI").Without(mesh.UpstreamTimeout))
}

func TestAnErrorSaysWhatAndWhere(t *testing.T) {
	e := &mesh.Error{Op: "upstream", Flag: "UF", Err: errors.New("connection refused"), Route: "reviews", Endpoint: "10.0.0.1:9080"}
	require.Equal(t, "upstream: UF: connection refused (route reviews, endpoint 10.0.0.1:9080)", e.Error())
	require.Equal(t, "lb: UH: no healthy upstream (branch v2)",
		(&mesh.Error{Op: "lb", Flag: "UH", Details: mesh.DetailsNoHealthyUpstream, Branch: "v2"}).Error())
	require.Equal(t, "route: NR: route not found", (&mesh.Error{Op: "route", Flag: "NR", Details: mesh.DetailsRouteNotFound}).Error())
}

func TestATimeoutOfOursIsADeadlineExceeded(t *testing.T) {
	timeout := &mesh.Error{Flag: "URX,UT"}
	require.ErrorIs(t, fmt.Errorf("wrapped: %w", timeout), context.DeadlineExceeded)
	require.True(t, timeout.Timeout())
	other := &mesh.Error{Flag: "UF", Err: io.EOF}
	require.NotErrorIs(t, other, context.DeadlineExceeded)
	require.ErrorIs(t, other, io.EOF)
	require.False(t, other.Timeout())
	for _, cause := range []error{context.DeadlineExceeded, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}} {
		late := fmt.Errorf("wrapped: %w", cause)
		require.True(t, (&mesh.Error{Flag: "UF", Err: late}).Timeout(), "as net/http says of the cause")
	}
}

func TestWordsOfNoError(t *testing.T) {
	require.Nil(t, mesh.AsError(nil))
	require.Empty(t, mesh.FlagOf(nil))
	require.Equal(t, mesh.Answered, mesh.StageOf(nil))
	require.Equal(t, 200, mesh.StatusOf(nil))
	wrapped := fmt.Errorf("call: %w", &mesh.Error{Flag: "UH", Status: 503, Stage: mesh.NotSent})
	require.Equal(t, mesh.NoHealthyUpstream, mesh.FlagOf(wrapped))
	require.Equal(t, mesh.NotSent, mesh.StageOf(wrapped))
	require.Equal(t, 503, mesh.StatusOf(wrapped))
}

func TestOutcomes(t *testing.T) {
	gone, leave := context.WithCancel(context.Background())
	leave()
	bounded, end := context.WithTimeoutCause(context.Background(), 0, &mesh.Error{Flag: mesh.UpstreamTimeout, Status: 504})
	defer end()
	grpc := func(status string, trailer bool) *http.Response {
		res := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/grpc"}}, Trailer: http.Header{}}
		if trailer {
			res.Trailer["Grpc-Status"] = []string{status}
		} else {
			res.Header["Grpc-Status"] = []string{status}
		}
		return res
	}
	for name, tt := range map[string]struct {
		ctx    context.Context
		res    *http.Response
		err    error
		kind   mesh.Kind
		status int
	}{
		"an answer":                         {res: &http.Response{StatusCode: 200}, kind: mesh.Success, status: 200},
		"a 404":                             {res: &http.Response{StatusCode: 404}, kind: mesh.Success, status: 404},
		"a 500":                             {res: &http.Response{StatusCode: 500}, kind: mesh.Failure, status: 500},
		"gRPC unavailable in headers":       {res: grpc("14", false), kind: mesh.Failure, status: 503},
		"gRPC unavailable in trailers":      {res: grpc("14", true), kind: mesh.Failure, status: 503},
		"gRPC not found":                    {res: grpc("5", true), kind: mesh.Success, status: 404},
		"gRPC OK":                           {res: grpc("0", true), kind: mesh.Success, status: 200},
		"a gRPC status that is none":        {res: grpc("x", true), kind: mesh.Failure, status: 500},
		"a transport's failure":             {err: io.EOF, kind: mesh.Failure, status: 503},
		"the caller left":                   {ctx: gone, err: context.Canceled, kind: mesh.Neutral, status: 499},
		"the caller left, and it shows":     {ctx: gone, err: io.EOF, kind: mesh.Neutral, status: 503},
		"a bound of ours":                   {ctx: bounded, err: context.Cause(bounded), kind: mesh.Failure, status: 504},
		"no endpoint":                       {err: &mesh.Error{Flag: mesh.NoHealthyUpstream, Status: 503}, kind: mesh.Local, status: 503},
		"a limit":                           {err: &mesh.Error{Flag: mesh.Overflow, Status: 503}, kind: mesh.Local, status: 503},
		"a fault after a delay":             {err: &mesh.Error{Flag: "DI,FI", Status: 503}, kind: mesh.Local, status: 503},
		"a failure whose retry was refused": {err: &mesh.Error{Flag: "UO,UF", Status: 503}, kind: mesh.Failure, status: 503},
		"a timeout after a delay":           {err: &mesh.Error{Flag: "DI,UT", Status: 504}, kind: mesh.Failure, status: 504},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := tt.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			o := mesh.OutcomeOf(ctx, tt.res, tt.err)
			require.Equal(t, tt.kind, o.Kind, o.Kind.String())
			require.Equal(t, tt.status, o.Status)
			require.Equal(t, tt.err, o.Err)
		})
	}
}

func TestWordsHaveNames(t *testing.T) {
	require.Equal(t, "not sent maybe processed answered unknown",
		fmt.Sprint(mesh.NotSent, " ", mesh.MaybeProcessed, " ", mesh.Answered, " ", mesh.Stage(9)))
	require.Equal(t, "success failure neutral local unknown",
		fmt.Sprint(mesh.Success, " ", mesh.Failure, " ", mesh.Neutral, " ", mesh.Local, " ", mesh.Kind(9)))
}

func TestProblems(t *testing.T) {
	a := &mesh.Problem{Source: "mesh.yaml:12", Field: "spec.hosts", Value: "", Reason: "must not be empty"}
	b := &mesh.Problem{Field: "retry.PerTry", Reason: "must not be negative"}
	require.Equal(t, `mesh.yaml:12: spec.hosts: must not be empty (got "")`, a.Error())
	require.Equal(t, "retry.PerTry: must not be negative", b.Error())

	err := fmt.Errorf("load: %w", errors.Join(a, io.EOF, fmt.Errorf("in: %w", b)))
	var found []*mesh.Problem
	for p := range mesh.Problems(err) {
		found = append(found, p)
	}
	require.Equal(t, []*mesh.Problem{a, b}, found)
	for p := range mesh.Problems(err) {
		require.Same(t, a, p)
		break
	}
	for range mesh.Problems(nil) {
		t.Fatal("there is none")
	}
	require.True(t, strings.Contains(err.Error(), a.Error()))
}
