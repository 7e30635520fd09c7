package build

import (
	"cmp"
	"time"

	mesh "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/retry"
)

// What Istio repeats when a rule does not say, and the most of a body that Envoy
// keeps for it.
const (
	defaultRetryOn  = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
	defaultAttempts = 2
	maxReplayed     = 1 << 20

	// hostPicks and priorityEvery are the settings of Envoy's retry plug-ins that
	// Istio makes.
	hostPicks     = 5
	priorityEvery = 2
)

// Retries are the settings in force for a rule, the mesh's where it has none of its
// own, and what they repeat.
func Retries(rule *plan.Rule, m *mesh.MeshConfig) (settings *networking.HTTPRetry, on string) {
	defaults := m.GetDefaultHttpRetryPolicy()
	if defaults == nil {
		defaults = &networking.HTTPRetry{Attempts: defaultAttempts}
	}
	settings = rule.Route.GetRetries()
	if settings == nil {
		settings = defaults
	}
	return settings, cmp.Or(settings.RetryOn, defaultRetryOn)
}

// retries is the policy of a rule for one of its destinations: exactly what Envoy
// does, with Istio's defaults.
func (u *update) retries(rule *plan.Rule, d *plan.Destination, to *cluster) (*retry.Policy, error) {
	given, words := Retries(rule, u.world.Mesh)
	c := retry.Config{
		Attempts: int(given.Attempts), PerTry: given.PerTryTimeout.AsDuration(),
		Unsafe: true, Overloaded: true, WaitOut: true, MaxRetryAfter: -1, MaxBody: maxReplayed,
		Backoff:     retry.Backoff{Base: given.Backoff.AsDuration()},
		Budget:      to.budget,
		ObeyHeaders: steers(rule.Route.GetHeaders()) || steers(d.Headers),
		Rand:        u.mesh.options.Rand,
	}
	if c.Attempts == 0 {
		c.Attempts = -1 // zero is the default there
	}
	var err error
	if c.On, c.Statuses, err = retry.ParseOn(words); err != nil {
		return nil, err
	}
	// With a single destination that hashes, a retry stays with the hashed endpoint
	// unless it says otherwise.
	ignore := !(len(rule.Destinations) == 1 && rule.Destinations[0].Hash != nil)
	if v := given.RetryIgnorePreviousHosts; v != nil {
		ignore = v.Value
	}
	if ignore {
		c.HostPicks = hostPicks
	} else {
		c.SameHost = true
	}
	if given.GetRetryRemoteLocalities().GetValue() {
		c.OtherPriorities = priorityEvery
	}
	key := policyKey{
		to: to, on: words, attempts: c.Attempts, perTry: c.PerTry, base: c.Backoff.Base,
		sameHost: c.SameHost, obeys: c.ObeyHeaders, otherPriorities: c.OtherPriorities,
	}
	if p := u.policies[key]; p != nil {
		return p, nil
	}
	p, err := retry.New(c)
	u.policies[key] = p
	return p, err
}

// steers reports whether changes of requests write headers that Envoy's retries obey.
// Those of callers are gone by then.
func steers(h *networking.Headers) bool {
	c := changeOf(h.GetRequest())
	for _, name := range [...]string{
		"X-Envoy-Retry-On", "X-Envoy-Retry-Grpc-On", "X-Envoy-Max-Retries",
		"X-Envoy-Retriable-Status-Codes", "X-Envoy-Retriable-Header-Names",
	} {
		if c.Set[name] != nil || c.Add[name] != nil {
			return true
		}
	}
	return false
}

// A policyKey is all in which two policies of one client can differ: rules that
// repeat alike share one.
type policyKey struct {
	to              *cluster
	on              string
	attempts        int
	perTry, base    time.Duration
	sameHost, obeys bool
	otherPriorities int
}
