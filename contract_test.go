package mesh_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/drain"
	"github.com/sidecarless/mesh/fault"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/mirror"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/rewrite"
	"github.com/sidecarless/mesh/route"
	"github.com/sidecarless/mesh/split"
	"github.com/sidecarless/mesh/timeout"
	"github.com/sidecarless/mesh/upstream"
)

func TestTheModulesOwnLayersKeepTheContract(t *testing.T) {
	same := func(next http.RoundTripper) http.RoundTripper { return next }
	t.Run("transport", func(t *testing.T) { meshtest.TestTransport(t, mesh.Chain(same, nil, same)) })
	t.Run("errors as responses", func(t *testing.T) { meshtest.TestTransport(t, mesh.ErrorsAsResponses) })
	t.Run("the mark of retries", func(t *testing.T) { meshtest.TestHandler(t, retry.Handler) })
}

// Layers that are right alone can still be wrong together: what one wraps another
// one wraps again.
func TestAllLayersTogetherKeepTheContract(t *testing.T) {
	var log access.Sink = func(context.Context, access.Record) {}
	explain := access.Explainer{}
	copies, err := mirror.New(mirror.Config{To: meshtest.NewUpstream(), Share: mesh.Always})
	made(t, copies, err)
	t.Cleanup(func() { copies.Close() })
	bounds, err := timeout.New(timeout.Config{Total: time.Minute, GRPC: true})
	made(t, bounds, err)
	faults, err := fault.New(fault.Config{Delay: fault.Delay{Share: mesh.Always, For: time.Microsecond}, Drip: fault.Drip{Share: mesh.Always, Rate: 1 << 30}})
	made(t, faults, err)
	headers, err := rewrite.New(rewrite.Config{Response: []rewrite.Headers{{Remove: []string{"X-Not-There"}}}})
	made(t, headers, err)
	pages, err := rewrite.NewCORS(rewrite.CORSConfig{})
	made(t, pages, err)
	rate, err := limit.New(limit.Config{Rate: 1e6})
	made(t, rate, err)

	t.Run("of a client", func(t *testing.T) {
		meshtest.TestTransport(t, func(next http.RoundTripper) http.RoundTripper {
			u, err := upstream.New(upstream.Config{
				Name: "svc", Endpoints: lb.Addrs("10.0.0.1:80"), Transport: next, NoEjection: true,
				Breaker: breaker.Config{Trip: breaker.Trip{Consecutive: 1000}},
			})
			made(t, u, err)
			t.Cleanup(func() { u.Close() })
			branches, err := split.New(split.ClientBranch{Name: "all", Weight: 1, Value: u})
			require.NoError(t, err)
			rules, err := route.New(route.ClientRule{Name: "all", Value: mesh.Chain(
				faults.Transport, pages.Transport, headers.Transport, copies.Transport, bounds.Transport, rate.Transport,
			)(split.Transport(branches))})
			require.NoError(t, err)
			return mesh.Chain(explain.Transport, log.Transport)(route.Transport(rules))
		})
	})
	t.Run("of a server", func(t *testing.T) {
		var leaving drain.Drain
		circuit, err := breaker.New(breaker.Config{Trip: breaker.Trip{Consecutive: 1000}})
		made(t, circuit, err)
		policies, err := authz.New(authz.Config{})
		made(t, policies, err)
		meshtest.TestHandler(t, func(next http.Handler) http.Handler {
			branches, err := split.New(split.ServerBranch{Name: "all", Weight: 1, Value: next})
			require.NoError(t, err)
			rules, err := route.New(route.ServerRule{Name: "all", Value: mesh.Chain(
				faults.Handler, pages.Handler, headers.Handler, copies.Handler,
			)(split.Handler(branches))})
			require.NoError(t, err)
			return mesh.Chain(
				leaving.Handler, explain.Handler, log.Handler, bounds.Handler, rate.Handler, circuit.Handler, policies.Handler,
			)(route.Handler(rules))
		})
	})
}
