package authz

import (
	"net/http"
	"sync/atomic"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// Config says by what an [Authorizer] judges. Its zero value allows everything
// that has a path.
type Config struct {
	// Policies may stand in any order: actions decide which come first.
	Policies []Policy

	// Ask decides requests that a Custom policy matches: it gets the policy's name
	// and says whether to let the request through. An error refuses it; one that is
	// a [*mesh.Error] also says how. Package authz/external asks a service over HTTP.
	Ask func(r *http.Request, policy string) (Answer, error)

	// TrustedHops is how many proxies in front of this server add to
	// X-Forwarded-For and are believed: [Source.Remotes] is the address that the
	// outermost of them saw. With zero the header is not believed, since any caller
	// can write it, and Remotes is the same as Peers.
	TrustedHops int

	// Paths is how paths are made normal before they are judged, and RawPaths
	// judges them as they came. Zero is [match.PathBase], Istio's default.
	Paths    match.PathOptions
	RawPaths bool
}

// An Answer is a custom decision.
type Answer struct {
	Allowed bool
	// Request is what goes on in place of the request that was judged, such as a copy
	// of it with other headers, or with a body that can be read once more. Nil is the
	// request itself. Further policies judge it as it is here.
	Request *http.Request
	// Reply is added to the headers of the answer to the caller.
	Reply http.Header
}

// Stats counts decisions since the start.
type Stats struct {
	Allowed, Denied uint64
	Audited         uint64 // requests that an Audit policy matched
	WouldDeny       uint64 // requests let through that policies with DryRun would have refused
	WouldAllow      uint64 // requests refused that policies with DryRun would have let through
}

// An Authorizer judges requests. It is made by [New] and may be used by many
// goroutines while it is updated.
type Authorizer struct {
	now    atomic.Pointer[policies]
	counts struct{ allowed, denied, audited, wouldDeny, wouldAllow atomic.Uint64 }
}

// policies are a Config made ready.
type policies struct {
	custom, deny, audit ruleSet
	allow               ruleSet
	allows              bool // whether there is any policy that allows

	all []named // for explanations

	dryDeny, dryAllow ruleSet
	dryAllows         bool

	ask   func(*http.Request, string) (Answer, error)
	hops  int
	paths match.PathOptions
}

// New reports every problem of c, with fields such as
// "authz.Policies[0].Rules[1].To[0].Paths.In[2]".
func New(c Config) (*Authorizer, error) {
	a := new(Authorizer)
	if err := a.Update(c); err != nil {
		return nil, err
	}
	return a, nil
}

// Update replaces all policies at once. With an error the last good ones stay in
// force. Counts go on.
func (a *Authorizer) Update(c Config) error {
	k := compiler{check.List{Prefix: "authz"}}
	p := &policies{ask: c.Ask, hops: c.TrustedHops, paths: c.Paths}
	switch {
	case c.RawPaths && c.Paths != match.PathNone:
		k.Add("RawPaths", true, "contradicts Paths")
	case !c.RawPaths && c.Paths == match.PathNone:
		p.paths = match.PathBase
	}
	if c.TrustedHops < 0 {
		k.Add("TrustedHops", c.TrustedHops, "must not be negative")
	}
	for i := range c.Policies {
		p.add(&k, index("Policies", i), &c.Policies[i])
	}
	if err := k.Err(); err != nil {
		return err
	}
	for _, s := range [...]*ruleSet{&p.custom, &p.deny, &p.audit, &p.allow, &p.dryDeny, &p.dryAllow} {
		s.sort()
	}
	a.now.Store(p)
	return nil
}

// add takes one policy.
func (p *policies) add(k *compiler, field string, one *Policy) {
	var set *ruleSet
	switch {
	case one.Action > Custom:
		k.Add(field+".Action", uint8(one.Action), "must be Allow, Deny, Audit or Custom")
	case one.DryRun && one.Action == Allow:
		set, p.dryAllows = &p.dryAllow, true
	case one.DryRun && one.Action == Deny:
		set = &p.dryDeny
	case one.DryRun: // there is nothing that it would decide by itself
	case one.Action == Allow:
		set, p.allows = &p.allow, true
	case one.Action == Deny:
		set = &p.deny
	case one.Action == Audit:
		set = &p.audit
	default:
		set = &p.custom
		if p.ask == nil {
			k.Add("Ask", nil, "must be set: policy %q asks it", one.Name)
		}
	}
	all := named{policy: one.Name, action: one.Action, dryRun: one.DryRun}
	for i := range one.Rules {
		made := k.rule(index(field+".Rules", i), &one.Rules[i])
		all.rules = append(all.rules, made)
		if set != nil {
			set.add(entry{policy: one.Name, number: i, action: one.Action, rule: made}, &one.Rules[i])
		}
	}
	p.all = append(p.all, all)
}

// Stats copies the counts.
func (a *Authorizer) Stats() Stats {
	c := &a.counts
	return Stats{c.allowed.Load(), c.denied.Load(), c.audited.Load(), c.wouldDeny.Load(), c.wouldAllow.Load()}
}
