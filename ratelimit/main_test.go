package ratelimit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/leak"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/ratelimit"
)

func TestMain(m *testing.M) { leak.Main(m) }

// perUser are limits for each user, of a domain of tests. A call may take longer
// here than in earnest.
func perUser(s *service) ratelimit.Config {
	return ratelimit.Config{
		Service: s.conn, Domain: "test", Timeout: time.Minute,
		Limits: limits(ratelimit.Action{Key: "user", From: match.HeaderKey("X-User")}),
	}
}

// limits are one descriptor of actions.
func limits(actions ...ratelimit.Action) []ratelimit.Limit {
	return []ratelimit.Limit{{Actions: actions}}
}

// must makes a client of a Config that is right.
func must(t testing.TB, c ratelimit.Config) *ratelimit.Client {
	t.Helper()
	client, err := ratelimit.New(c)
	require.NoError(t, err)
	return client
}
