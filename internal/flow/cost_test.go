package flow_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/flow"
)

// What the bare copy of a request costs is the standard library's business; the
// record comes with it in one allocation, whatever is asked of it later.
func TestARecordIsOneAllocationWithTheCopyOfItsRequest(t *testing.T) {
	r := request(t)
	ctx := r.Context()
	var kept *http.Request
	bare := testing.AllocsPerRun(1000, func() { kept = r.WithContext(ctx) })
	require.Equal(t, 1.0, bare)
	ensured := testing.AllocsPerRun(1000, func() { _, kept = flow.Ensure(r) })
	require.Equal(t, bare, ensured)

	_, own := flow.Ensure(r)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		flow.Of(own).Route = "route"
		flow.TryOf(own).N = 1
		_, kept = flow.Ensure(own)
		kept = flow.Own(own)
	}))
	require.Same(t, own, kept)
}
