package gatewayapi

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/mirror"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/split"
	"github.com/sidecarless/mesh/timeout"
)

// A layer is a client layer; nil is none.
type layer = func(http.RoundTripper) http.RoundTripper

// A site is where a rule is attached.
type site struct {
	route  *routeObject
	scheme string // in which its requests come
	port   uint16 // on which they do
	inMesh bool
}

// rule makes the layers of one rule in the order in which they meet a request: what
// answers for pages of other origins, changes of answers and of requests, copies,
// the bound on the whole, the choice of a backend.
func (b *builder) rule(at site, r *rule) http.RoundTripper {
	var l check.List
	if reason := notCarriedOut(r.filters); reason != "" {
		return refusal{status: http.StatusInternalServerError, details: mesh.DetailsDirectResponse, reason: reason}
	}
	onOrigins, err := corsOf(r.filters)
	l.Include("spec.rules", err)
	onAnswer, err := answers(r.filters)
	l.Include("spec.rules", err)
	onRequest, err := requests(r.filters, r.prefix)
	l.Include("spec.rules", err)
	layers := []layer{onOrigins, onAnswer, nil, onRequest}
	if onAnswer != nil {
		layers[2] = mesh.ErrorsAsResponses
	}
	last := redirectOf(r.filters, r.prefix, at)
	if last == nil {
		layers = append(layers, b.copies(&l, at, r.filters)...)
		if total := durationOf(r.timeouts.Request); total > 0 || r.grpc {
			bound, err := timeout.New(timeout.Config{Total: total, GRPC: r.grpc})
			if l.Include("spec.rules.timeouts", err); err == nil {
				layers = append(layers, bound.Transport)
			}
		}
		last, err = b.choice(at, r)
		l.Include("spec.rules.backendRefs", err)
	}
	if err := l.Err(); err != nil {
		b.problem(at.route.source(), err)
		return nil
	}
	return mesh.Chain(layers...)(last)
}

// notCarriedOut names a filter that is not carried out, if there is one.
func notCarriedOut(filters []filter) string {
	for _, f := range filters {
		if f.Type == filterExtension || f.Type == filterAuth {
			return "the filter " + f.Type + " is not carried out"
		}
	}
	return ""
}

// copies are the layers that copy requests. A copy that has nowhere to go is not
// made.
func (b *builder) copies(l *check.List, at site, filters []filter) (layers []layer) {
	for _, f := range filters {
		m := f.RequestMirror
		if m == nil {
			continue
		}
		t, reason := b.config.resolve(m.BackendRef, at.route, at.inMesh)
		if reason != reasonResolved {
			continue
		}
		to, err := b.cluster(t, false)
		if err != nil {
			l.Include("spec.rules.filters", err)
			continue
		}
		c, err := mirror.New(mirror.Config{Name: to.key.String(), To: to, Share: shareOf(m), Rand: b.engine.rand, Logger: b.engine.logger})
		if err != nil {
			l.Include("spec.rules.filters", err)
			continue
		}
		b.mirrors = append(b.mirrors, c)
		layers = append(layers, c.Transport)
	}
	return layers
}

// shareOf is the share of requests that are copied.
func shareOf(m *requestMirror) mesh.Fraction {
	switch {
	case m.Percent != nil:
		return mesh.Percent(float64(*m.Percent))
	case m.Fraction != nil:
		return mesh.Percent(100 * float64(m.Fraction.Numerator) / float64(or(m.Fraction.Denominator, 100)))
	}
	return mesh.Always
}

// nowhere answers for a rule or a share of it that leads to no backend.
func nowhere(grpc bool, reason string) http.RoundTripper {
	status := http.StatusInternalServerError
	if grpc {
		status = http.StatusServiceUnavailable // which is UNAVAILABLE in gRPC
	}
	return refusal{status: status, flag: mesh.NoCluster, details: mesh.DetailsClusterNotFound, reason: reason}
}

// choice is the split over the backends of a rule. A backend that is not valid
// keeps its share and answers with 500.
func (b *builder) choice(at site, r *rule) (http.RoundTripper, error) {
	weight := func(ref backendRef) int32 { return or(ref.Weight, 1) }
	if !slices.ContainsFunc(r.backends, func(ref backendRef) bool { return weight(ref) > 0 }) {
		return nowhere(r.grpc, "the rule has no backend"), nil
	}
	var branches []split.ClientBranch
	for i := range r.backends {
		ref := &r.backends[i]
		to, err := b.branch(at, r, ref)
		if err != nil {
			return nil, err
		}
		name := or(ref.Namespace, at.route.namespace) + "/" + ref.Name + ":" + strconv.Itoa(int(or(ref.Port, 0)))
		branches = append(branches, split.ClientBranch{Name: name, Weight: uint32(weight(*ref)), Value: to})
	}
	if r.session != nil {
		return newSession(r.session, at, r, branches, b.engine.rand)
	}
	if len(branches) == 1 {
		return branches[0].Value, nil
	}
	s, err := split.New(branches...)
	if err != nil {
		return nil, err
	}
	s.Rand = b.engine.rand
	return split.Transport(s), nil
}

// branch is what a request to one backend meets: the backend's own filters,
// retries, and the cluster.
func (b *builder) branch(at site, r *rule, ref *backendRef) (http.RoundTripper, error) {
	if reason := notCarriedOut(ref.Filters); reason != "" {
		return refusal{status: http.StatusInternalServerError, details: mesh.DetailsDirectResponse, reason: reason}, nil
	}
	if redirect := redirectOf(ref.Filters, r.prefix, at); redirect != nil {
		return redirect, nil
	}
	t, reason := b.config.resolve(ref.object(), at.route, at.inMesh)
	if reason != reasonResolved {
		return nowhere(r.grpc, reason), nil
	}
	var l check.List
	to, err := b.cluster(t, r.session != nil)
	l.Include("", err)
	onOrigins, err := corsOf(ref.Filters)
	l.Include("filters", err)
	onAnswer, err := answers(ref.Filters)
	l.Include("filters", err)
	onRequest, err := requests(ref.Filters, r.prefix)
	l.Include("filters", err)
	again, err := b.retries(r)
	l.Include("retry", err)
	layers := append([]layer{onOrigins, onAnswer, onRequest}, b.copies(&l, at, ref.Filters)...)
	if err := l.Err(); err != nil {
		return nil, err
	}
	return mesh.Chain(append(layers, again)...)(to), nil
}

// maxReplayed is the most of a body that is kept so that it can be sent again.
const maxReplayed = 1 << 20

// retries is the layer of attempts, nil where there is one without a bound.
func (b *builder) retries(r *rule) (layer, error) {
	perTry := durationOf(r.timeouts.BackendRequest)
	if r.retry == nil && perTry == 0 {
		return nil, nil
	}
	c := retry.Config{Attempts: -1, PerTry: perTry, MaxRetryAfter: -1}
	if r.retry != nil {
		budget, err := retry.NewBudget(retry.BudgetConfig{MaxConcurrent: math.MaxInt32})
		if err != nil {
			return nil, err
		}
		wait := durationOf(r.retry.Backoff)
		c = retry.Config{
			Attempts: cmp.Or(or(r.retry.Attempts, 1), -1), PerTry: perTry,
			On:       []retry.Condition{retry.ConnectFailure, retry.RefusedStream, retry.Reset},
			Statuses: r.retry.Codes, Unsafe: true, WaitOut: true, MaxRetryAfter: -1, MaxBody: maxReplayed,
			Backoff: retry.Backoff{Base: wait, Min: wait}, Budget: budget,
		}
	}
	p, err := retry.New(c)
	if err != nil {
		return nil, err
	}
	return p.Transport, nil
}
