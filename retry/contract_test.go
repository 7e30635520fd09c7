package retry_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
)

func mustNew(t testing.TB, c retry.Config) *retry.Policy {
	t.Helper()
	p, err := retry.New(c)
	require.NoError(t, err)
	return p
}

// TestContract holds policies of all kinds against the contract of
// http.RoundTripper.
func TestContract(t *testing.T) {
	quick := retry.Backoff{Base: time.Microsecond, Max: time.Microsecond}
	unsafe := envoyConfig()
	unsafe.On = []retry.Condition{retry.ServerError}
	unsafe.Backoff = quick
	for name, c := range map[string]retry.Config{
		"the default":            {Backoff: quick},
		"as Envoy":               unsafe,
		"with a bound per try":   {PerTry: time.Minute, Backoff: quick},
		"with hedges":            {Hedge: retry.Hedge{After: time.Minute}, Backoff: quick},
		"obeying headers":        {ObeyHeaders: true, TellAttempt: true, Backoff: quick},
		"in a chain of services": {Chain: true, Backoff: quick},
		"keeping no bodies":      {MaxBody: -1, Backoff: quick},
	} {
		t.Run(name, func(t *testing.T) {
			meshtest.TestTransport(t, mustNew(t, c).Transport)
		})
	}
}
