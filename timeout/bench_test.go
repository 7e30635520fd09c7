package timeout

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// stub answers at the least cost; it looks at its context, as a transport does,
// and has a body, so that its end must be noticed.
type stub struct{}

type stubBody struct{}

func (stubBody) Read([]byte) (int, error) { return 0, io.EOF }
func (stubBody) Close() error             { return nil }

func (stub) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	default:
	}
	return &http.Response{StatusCode: 200, Body: stubBody{}, Request: r}, nil
}

// plainest is what one writes without a library.
type plainest struct {
	next http.RoundTripper
	d    time.Duration
}

type plainBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *plainBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

func (p plainest) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), p.d)
	res, err := p.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	res.Body = &plainBody{res.Body, cancel}
	return res, nil
}

func once(tb testing.TB, rt http.RoundTripper, r *http.Request) {
	res, err := rt.RoundTrip(r)
	if err != nil {
		tb.Fatal(err)
	}
	_ = res.Body.Close()
}

// TestAllocations: what a standard context with a deadline takes, less its timer. The
// record of the request, its copy and the bound are one, as such a context is.
func TestAllocations(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := httptest.NewRequest("GET", "http://svc/", nil).WithContext(ctx)
	allocs := func(rt http.RoundTripper) float64 { return testing.AllocsPerRun(200, func() { once(t, rt, r) }) }
	base := allocs(stub{})
	plain := allocs(plainest{stub{}, time.Second}) - base
	ours := allocs(bounded(t, Config{Total: time.Second}).Transport(stub{})) - base
	deadline := testing.AllocsPerRun(200, func() {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		ctx.Done()
		cancel()
	})
	require.EqualValues(t, deadline-1, ours)
	require.Less(t, ours, plain)
	require.Zero(t, allocs(bounded(t, Config{}).Transport(stub{}))-base, "without a bound")
}

func BenchmarkTransport(b *testing.B) {
	parent, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, ctx := range map[string]context.Context{"background": context.Background(), "cancelable": parent} {
		r := httptest.NewRequest("GET", "http://svc/", nil).WithContext(ctx)
		for layer, rt := range map[string]http.RoundTripper{
			"bare":     stub{},
			"plainest": plainest{stub{}, time.Second},
			"ours":     bounded(b, Config{Total: time.Second}).Transport(stub{}),
		} {
			b.Run(name+"/"+layer, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					once(b, rt, r)
				}
			})
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
	for name, h := range map[string]http.Handler{
		"ours":           bounded(b, Config{Total: time.Second}).Handler(h),
		"TimeoutHandler": http.TimeoutHandler(h, time.Second, ""),
	} {
		b.Run(name, func(b *testing.B) {
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
