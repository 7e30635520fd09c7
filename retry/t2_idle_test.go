package retry_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
)

// shared is a transport whose idle connections belong to others, too.
type shared struct {
	http.RoundTripper
	closed int
}

func (s *shared) CloseIdleConnections() { s.closed++ }

func TestT2IdleConnectionsOfOthersAreNotClosed(t *testing.T) {
	next := &shared{RoundTripper: meshtest.NewUpstream(meshtest.Reply{Status: 503})}
	policy := mustNew(t, retry.Config{Attempts: 3, On: []retry.Condition{retry.ServerError}, Backoff: quick})
	require.Equal(t, 503, get(t, policy.Transport(next), "http://svc.example/"))
	require.EqualValues(t, 3, policy.Stats().Retries)
	require.Zero(t, next.closed)
}
