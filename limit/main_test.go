package limit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/leak"
	"github.com/sidecarless/mesh/limit"
)

func TestMain(m *testing.M) { leak.Main(m) }

// must makes a limiter of a Config that is right.
func must(t testing.TB, c limit.Config) *limit.Limiter {
	t.Helper()
	l, err := limit.New(c)
	require.NoError(t, err)
	return l
}
