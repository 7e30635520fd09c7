package flow_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

type key struct{}

func request(t *testing.T) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://svc.example/path?q=1", nil)
	r.Header.Set("X-Mine", "1")
	return r.WithContext(context.WithValue(context.Background(), key{}, "value"))
}

func TestEnsureInstallsARecordOnce(t *testing.T) {
	r := request(t)
	require.Nil(t, flow.Of(r))
	require.Nil(t, flow.TryOf(r))
	f, own := flow.Ensure(r)
	require.NotSame(t, r, own)
	require.Same(t, r, f.Request)
	require.Same(t, f, flow.Of(own))
	require.Same(t, &f.First, flow.TryOf(own))
	require.EqualValues(t, 1, f.First.N)
	require.Equal(t, "value", own.Context().Value(key{}))
	require.False(t, f.Start.IsZero())
	again, same := flow.Ensure(own)
	require.Same(t, f, again)
	require.Same(t, own, same)
	require.Nil(t, flow.Of(r), "the caller's request knows nothing of it")
}

// A call made while another request is under way has the other's context, and
// so finds its record there, but it is not its own.
func TestARecordBelongsToOneRequest(t *testing.T) {
	_, served := flow.EnsureServed(request(t))
	f, call := flow.Ensure(request(t).WithContext(served.Context()))
	require.NotNil(t, f)
	require.Same(t, flow.Served(served), flow.Serving(call.Context()))

	inner, err := http.NewRequestWithContext(call.Context(), http.MethodGet, "http://other.example/", nil)
	require.NoError(t, err)
	require.Nil(t, flow.Of(inner))
	g, _ := flow.Ensure(inner)
	require.NotSame(t, f, g)
	require.Same(t, flow.Served(served), flow.Serving(g))

	require.Nil(t, flow.Of(served), "a served request has no client's record")
	require.Nil(t, flow.Served(call), "nor a call a server's")
	require.Nil(t, flow.Serving(context.Background()))
}

// A copy that a foreign layer makes keeps the record.
func TestARecordSurvivesCopies(t *testing.T) {
	f, own := flow.Ensure(request(t))
	require.Same(t, f, flow.Of(own.WithContext(context.WithValue(own.Context(), key{}, "other"))))
	require.Same(t, f, flow.Of(own.Clone(own.Context())))
	require.NotSame(t, own, flow.Own(own.Clone(own.Context())), "but it is not ours to change")
}

func TestOwnCopiesWhatIsNotOurs(t *testing.T) {
	r := request(t)
	mine := flow.Own(r)
	require.NotSame(t, r, mine)
	mine.URL = &url.URL{Host: "changed"}
	require.Equal(t, "svc.example", r.URL.Host)

	_, own := flow.Ensure(r)
	require.Same(t, own, flow.Own(own))
	changed := flow.OwnHeader(own)
	require.Same(t, own, changed)
	changed.Header.Set("X-Mine", "2")
	require.Equal(t, "1", r.Header.Get("X-Mine"))
	before := changed.Header
	flow.OwnHeader(changed).Header.Set("X-Mine", "3")
	require.Equal(t, "3", before.Get("X-Mine"), "the header is copied once")

	bare := request(t)
	bare.Header = nil
	require.NotNil(t, flow.OwnHeader(bare).Header)
	require.Nil(t, bare.Header)
}

func TestAFurtherAttemptHasARecordOfItsOwn(t *testing.T) {
	f, first := flow.Ensure(request(t))
	ctx, cancel := context.WithCancel(f)
	try, second := f.Next(ctx, first, 2)
	require.Same(t, try, flow.TryOf(second))
	require.Same(t, f, flow.Of(second))
	require.EqualValues(t, 2, try.N)
	require.Same(t, second, flow.Own(second))
	require.Equal(t, "value", second.Context().Value(key{}))
	require.Same(t, &f.First, flow.TryOf(first))

	second = flow.OwnHeader(second)
	second.Header.Set("X-Mine", "2")
	require.Equal(t, "1", first.Header.Get("X-Mine"))
	cancel()
	require.Error(t, second.Context().Err())
	require.NoError(t, first.Context().Err())
}

func TestABoundHoldsForRequestsThatAreAlreadyCopied(t *testing.T) {
	f, own := flow.Ensure(request(t))
	ctx, cancel := context.WithCancelCause(f.Context)
	f.Bound(ctx)
	cause := &mesh.Error{Flag: mesh.UpstreamTimeout}
	cancel(cause)
	require.Equal(t, error(cause), context.Cause(own.Context()))
	require.NoError(t, f.Caller().Err())
	require.Same(t, f, flow.Of(own))
}

func TestAttemptsAreCountedOnce(t *testing.T) {
	f, first := flow.Ensure(request(t))
	require.Zero(t, f.Attempts())
	require.Nil(t, f.Last())
	f.First.Begin()
	f.First.Begin()
	require.Equal(t, 1, f.Attempts())
	require.True(t, f.First.Begun())
	var all sync.WaitGroup
	for n := range 8 {
		try, _ := f.Next(f, first, n+2)
		all.Go(try.Begin)
	}
	all.Wait()
	require.Equal(t, 9, f.Attempts())
	require.NotSame(t, &f.First, f.Last())
}

func TestFlagNotesWhatBefellARequest(t *testing.T) {
	r := request(t)
	flow.Flag(r, mesh.DelayInjected) // without a record there is nowhere to note it
	f, own := flow.Ensure(r)
	flow.Flag(own, mesh.DelayInjected)
	flow.Flag(own, mesh.UpstreamTimeout)
	require.Equal(t, mesh.Flag("DI,UT"), f.More.Flags)
}
