package breaker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

type tracked struct {
	io.Reader
	closed int
}

func (b *tracked) Close() error { b.closed++; return nil }

func get(t testing.TB) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a/", nil)
	require.NoError(t, err)
	return r
}

func TestARequestEndsWithTheBodyOfItsAnswer(t *testing.T) {
	for _, c := range []struct {
		name  string
		body  io.Reader
		end   func(io.ReadCloser)
		state State
	}{
		{"read to its end", strings.NewReader("ok"), func(b io.ReadCloser) { io.ReadAll(b) }, Closed},
		{"closed before", strings.NewReader("ok"), func(b io.ReadCloser) { b.Close() }, Closed},
		{"cut", io.MultiReader(strings.NewReader("o"), broken{}), func(b io.ReadCloser) { io.ReadAll(b) }, Open},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := mustNew(t, Config{Trip: Trip{Consecutive: 1}, Limits: LimitsConfig{MaxRequests: 1}})
			layer := b.Transport(answer(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Body: io.NopCloser(c.body)}, nil
			}))
			res, err := layer.RoundTrip(get(t))
			require.NoError(t, err)
			require.Equal(t, 1, b.Stats().Requests)
			_, err = layer.RoundTrip(get(t))
			require.Equal(t, mesh.Overflow, mesh.FlagOf(err))
			c.end(res.Body)
			require.Equal(t, 0, b.Stats().Requests)
			require.Equal(t, c.state, b.Stats().State)
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestARefusedRequestHasItsBodyClosedOnce(t *testing.T) {
	b := mustNew(t, Config{Trip: Trip{Consecutive: 1}})
	try(b, bad)
	body := &tracked{Reader: strings.NewReader("x")}
	r := get(t)
	r.Body = body
	_, err := b.Transport(answer(nil)).RoundTrip(r)
	require.ErrorIs(t, err, ErrOpen)
	require.Equal(t, 1, body.closed)
}

func TestAFallbackSeesTheReason(t *testing.T) {
	b := mustNew(t, Config{Trip: Trip{Consecutive: 1}, Fallback: func(r *http.Request, refused error) (*http.Response, error) {
		require.ErrorIs(t, refused, ErrOpen)
		require.Equal(t, mesh.Overflow, mesh.FlagOf(refused))
		return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{"X": {"spare"}}}, nil
	}})
	try(b, bad)
	res, err := b.Transport(answer(nil)).RoundTrip(get(t))
	require.NoError(t, err)
	require.Equal(t, "spare", res.Header.Get("X"))
}

func TestFailuresOfTheTransportOpenTheCircuitAndCancelsDoNot(t *testing.T) {
	b := mustNew(t, Config{Trip: Trip{Consecutive: 2}})
	layer := b.Transport(answer(func(r *http.Request) (*http.Response, error) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return nil, errors.New("no road")
	}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 1000 {
		_, err := layer.RoundTrip(get(t).WithContext(ctx))
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Equal(t, Closed, b.Stats().State)
	for range 2 {
		layer.RoundTrip(get(t))
	}
	require.Equal(t, Open, b.Stats().State)
}

func TestAPanicBelowGivesThePermitBack(t *testing.T) {
	b := mustNew(t, Config{Trip: Trip{Consecutive: 9}, Limits: LimitsConfig{MaxRequests: 1}})
	layer := b.Transport(answer(func(*http.Request) (*http.Response, error) { panic(http.ErrAbortHandler) }))
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { layer.RoundTrip(get(t)) })
	require.Zero(t, b.Stats().Requests)
	require.EqualValues(t, 1, b.Stats().Failures)
}

func TestAServerProtectsItself(t *testing.T) {
	b := mustNew(t, Config{Trip: Trip{Consecutive: 2}})
	h := b.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }))
	serve := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w
	}
	require.Equal(t, 500, serve().Code)
	require.Equal(t, 500, serve().Code)
	w := serve()
	require.Equal(t, 503, w.Code)
	require.Equal(t, "30", w.Header().Get("Retry-After"))
	require.Equal(t, "true", w.Header().Get("X-Envoy-Overloaded"))
	require.Equal(t, "upstream connect error or disconnect/reset before headers. reset reason: overflow", w.Body.String())
}

func TestAHandlerThatPanicsHasFailed(t *testing.T) {
	b := mustNew(t, Config{Trip: Trip{Consecutive: 1}, Limits: LimitsConfig{MaxRequests: 1}})
	h := b.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	})
	require.Equal(t, Open, b.Stats().State)
	require.Zero(t, b.Stats().Requests)
}

func TestACallerWhoLeftSaysNothingAboutTheServer(t *testing.T) {
	b := mustNew(t, Config{Trip: Trip{Consecutive: 1}})
	ctx, cancel := context.WithCancel(t.Context())
	h := b.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { cancel(); w.WriteHeader(500) }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
	require.Equal(t, Closed, b.Stats().State)
}

func TestAPassedRequestCostsNoAllocation(t *testing.T) {
	b := mustNew(t, Config{Trip: Trip{Consecutive: 5}, Limits: LimitsConfig{MaxRequests: 10}})
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		p, _ := b.Acquire(context.Background())
		p.Done(good)
	}))
	res := &http.Response{StatusCode: 200, Body: http.NoBody}
	layer := b.Transport(answer(func(*http.Request) (*http.Response, error) { return res, nil }))
	r := get(t)
	require.Zero(t, testing.AllocsPerRun(1000, func() { layer.RoundTrip(r) }))
}
