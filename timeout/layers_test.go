package timeout

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

func TestContextsBetweenTheLayersAreBoundedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		// A layer that is not ours puts a context of its own between record and bound.
		foreign := roundTripper(func(r *http.Request) (*http.Response, error) {
			ctx, cancel := context.WithCancel(context.WithValue(r.Context(), key{}, "value"))
			defer cancel()
			return bounded(t, Config{Total: 100 * time.Millisecond}).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
				require.Equal(t, "value", r.Context().Value(key{}))
				require.NotNil(t, flow.Of(r))
				<-r.Context().Done()
				return nil, context.Cause(r.Context())
			})).RoundTrip(r.WithContext(ctx))
		})
		start := time.Now()
		_, err := send(t.Context(), bounded(t, Config{Total: time.Second}).Transport(foreign), nil)
		requireExpired(t, err)
		require.Equal(t, 100*time.Millisecond, time.Since(start))
	})
}

func TestTheShorterOfNestedBoundsCounts(t *testing.T) {
	for name, c := range map[string]struct{ outer, inner time.Duration }{
		"outer": {100 * time.Millisecond, time.Second},
		"inner": {time.Second, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rt := mesh.Chain(bounded(t, Config{Total: c.outer}).Transport, bounded(t, Config{Total: c.inner}).Transport)(waiting{})
				start := time.Now()
				_, err := send(t.Context(), rt, nil)
				requireExpired(t, err)
				require.Equal(t, 100*time.Millisecond, time.Since(start))
			})
		})
	}
}

// waiting never answers.
type waiting struct{}

func (waiting) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type host string

func (h host) Addr() string { return string(h) }

func TestTheErrorSaysWhereTheRequestWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, r := flow.Ensure(httptest.NewRequest("GET", "http://svc/", nil))
		f.Route, f.Branch = "reviews", "v2"
		rt := bounded(t, Config{Total: time.Second}).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			try := flow.TryOf(r)
			try.Host = host("10.0.0.1:80")
			try.Begin()
			return waiting{}.RoundTrip(r)
		}))
		_, err := rt.RoundTrip(r)
		require.EqualError(t, err, "timeout: UT: upstream request timeout (route reviews, branch v2, endpoint 10.0.0.1:80)")
		require.Equal(t, time.Second, f.Bounded)
	})
}

func TestAReasonFoundInsideStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside := &mesh.Error{Op: "retry", Flag: "URX,UT", Status: 504}
		rt := bounded(t, Config{Total: time.Second}).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, inside
		}))
		_, err := send(t.Context(), rt, nil)
		require.Same(t, inside, err)
	})
}

func TestAFailureInTimeStays(t *testing.T) {
	failure := errors.New("broken")
	rt := bounded(t, Config{Total: time.Hour}).Transport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, failure }))
	for _, body := range []io.Reader{nil, strings.NewReader("x")} {
		_, err := send(t.Context(), rt, body)
		require.Same(t, failure, err)
	}
}
