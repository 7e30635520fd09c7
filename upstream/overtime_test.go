package upstream_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/timeout"
	"github.com/sidecarless/mesh/upstream"
)

// The time of a request that is over while its answer is read is the server's failure,
// and nobody says that the caller has gone, whatever the protocol and whether the
// attempt has a context of its own.
func TestAnAnswerThatTakesTooLongIsAFailure(t *testing.T) {
	over := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		http.NewResponseController(w).Flush()
		<-over
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	defer close(over)
	for name, protocol := range map[string]upstream.Protocol{"HTTP/1.1": upstream.HTTP1, "HTTP/2": upstream.HTTP2} {
		for attempts, policy := range map[string]retry.Config{
			"plain":         {},
			"bounded":       {PerTry: 900 * time.Millisecond},
			"may be hedged": {Hedge: retry.Hedge{After: time.Minute, Max: 1}},
		} {
			t.Run(name+", "+attempts, func(t *testing.T) {
				u := open(t, upstream.Config{
					Endpoints: lb.Addrs(s.Listener.Addr().String()), Retry: policy,
					Connections: upstream.Connections{Protocol: protocol},
				})
				bound, err := timeout.New(timeout.Config{Total: time.Second})
				require.NoError(t, err)
				told := make(chan access.Record, 1)
				log := access.Sink(func(_ context.Context, r access.Record) { told <- r })
				client := mesh.Chain(log.Transport, bound.Transport)(u)
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://reviews/", nil)
				require.NoError(t, err)
				res, err := client.RoundTrip(r)
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, res.Body)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.NoError(t, res.Body.Close())
				last := <-told
				require.Equal(t, mesh.UpstreamTimeout, last.Flags)
				require.Equal(t, mesh.DetailsResponseTimeout, last.Details)
				require.EqualValues(t, 1, u.Balancer().Stats().Hosts[0].Failures)
			})
		}
	}
}
