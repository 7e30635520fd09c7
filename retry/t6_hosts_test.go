package retry_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/retry"
)

// An address is a host that has nothing else.
type address string

func (a address) Addr() string { return string(a) }

// A balancer picks hosts in turn, and heeds what the record says of hosts that
// were tried, as package lb does.
type balancer struct {
	hosts []string
	next  int
	dead  map[string]bool
	seen  []string // the host of each attempt
	urls  []string
	told  flow.More
}

func (b *balancer) RoundTrip(r *http.Request) (*http.Response, error) {
	try := flow.TryOf(r)
	r = flow.Own(r)
	var tries []*flow.Try
	b.told = flow.More{}
	if m := try.Flow.More; m != nil {
		tries = try.Tried()
		b.told.Picks, b.told.Priorities = m.Picks, m.Priorities
	}
	b.urls = append(b.urls, r.URL.String())
	tried := func(host string) bool {
		return slices.ContainsFunc(tries, func(t *flow.Try) bool { return t.Endpoint() == host })
	}
	host := b.pick()
	for range len(b.hosts) {
		if b.told.Picks < 0 || !tried(host) {
			break
		}
		host = b.pick()
	}
	try.Host = address(host)
	try.Begin()
	b.seen = append(b.seen, host)
	try.URL = *r.URL
	try.URL.Host = host
	r.URL = &try.URL
	if b.dead[host] {
		return nil, errors.New(host + " is dead")
	}
	return mesh.ResponseFor(r, &mesh.Error{Status: 200}), nil
}

func (b *balancer) pick() string {
	b.next++
	return b.hosts[b.next%len(b.hosts)]
}

func TestT6HostsThatWereTriedAreAvoided(t *testing.T) {
	b := &balancer{hosts: []string{"a", "b"}, dead: map[string]bool{"a": true}}
	rt := mustNew(t, retry.Config{Budget: endless(t), Backoff: quick}).Transport(b)
	for range 1000 {
		_, err := rt.RoundTrip(request(t, "GET", ""))
		require.NoError(t, err)
	}
	require.NotContains(t, b.urls, "http://a/", "an attempt got the address of the one before")
	require.Contains(t, b.urls, "http://svc.example/")
}

func TestT6OneHostIsTriedAgain(t *testing.T) {
	b := &balancer{hosts: []string{"a"}, dead: map[string]bool{"a": true}}
	_, err := mustNew(t, retry.Config{Attempts: 3, Backoff: quick}).Transport(b).RoundTrip(request(t, "GET", ""))
	require.Equal(t, []string{"a", "a", "a", "a"}, b.seen)
	var all *retry.Error
	require.ErrorAs(t, err, &all)
	require.Equal(t, "a", all.Tries[2].Endpoint)
	require.Equal(t, "a", mesh.AsError(err).Endpoint)
}

func TestT6ThePolicyTellsTheBalancerHowHardToTry(t *testing.T) {
	for name, tt := range map[string]struct {
		config            retry.Config
		picks, priorities int
	}{
		"leave tried hosts out":     {retry.Config{}, 0, 0},
		"as Envoy":                  {retry.Config{HostPicks: 5}, 5, 0},
		"the same host may be used": {retry.Config{SameHost: true, HostPicks: 5}, -1, 0},
		"other priorities":          {retry.Config{OtherPriorities: 2}, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := &balancer{hosts: []string{"a", "b"}, dead: map[string]bool{"b": true}}
			tt.config.Backoff = quick
			_, err := mustNew(t, tt.config).Transport(b).RoundTrip(request(t, "GET", ""))
			require.NoError(t, err)
			require.Equal(t, []string{"b", "a"}, b.seen)
			require.Equal(t, tt.picks, b.told.Picks)
			require.Equal(t, tt.priorities, b.told.Priorities)
		})
	}
}
