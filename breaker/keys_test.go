package breaker

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/flow"
)

// The rule is read from the record of a request, sent or served; without a record
// there is no key.
func TestPerRouteIsTheRuleOfTheRecord(t *testing.T) {
	plain, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://shop/", nil)
	require.NoError(t, err)
	_, ok := PerRoute(plain)
	require.False(t, ok)
	for name, ensure := range map[string]func(*http.Request) (*flow.Flow, *http.Request){"sent": flow.Ensure, "served": flow.EnsureServed} {
		f, r := ensure(plain)
		_, ok := PerRoute(r)
		require.False(t, ok, "%s: no rule was chosen", name)
		f.Route = "search"
		key, ok := PerRoute(r)
		require.True(t, ok, name)
		require.Equal(t, "search", key, name)
	}
}

// Of what waits for a connection so much may wait, and is counted when it may not.
func TestPlacesToWaitAreBounded(t *testing.T) {
	l, err := NewLimits(LimitsConfig{MaxConnections: 1, MaxPending: 1, MaxRequests: 1})
	require.NoError(t, err)
	require.False(t, l.Refuse())
	require.True(t, l.TakeConnection(false))
	require.False(t, l.TakeConnection(false))
	require.True(t, l.TakeConnection(true), "an endpoint without any may have one")
	require.True(t, l.TakePending())
	require.False(t, l.TakePending())
	require.True(t, l.TakeRequest())
	require.True(t, l.Refuse(), "there is no room for it anyway")
	require.Equal(t, LimitsStats{Connections: 2, Pending: 1, Requests: 1, Overflows: 2, NoPlace: 1, Waits: 2}, l.Stats())
	l.GivePending()
	l.GiveConnection()
	l.GiveConnection()
	l.GiveRequest()
	require.Equal(t, LimitsStats{Overflows: 2, NoPlace: 1, Waits: 2}, l.Stats())
	_, err = NewLimits(LimitsConfig{MaxConnections: -1})
	require.Error(t, err)
}
