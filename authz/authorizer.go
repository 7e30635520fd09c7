package authz

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// Config says by what an [Authorizer] judges. Its zero value allows everything.
type Config struct {
	Policies []Policy

	// Ask decides requests that a Custom policy matches: it gets the policy's name
	// and says whether to let the request through. An error refuses it.
	Ask func(r *http.Request, policy string) (bool, error)

	// TrustedHops is how many proxies in front of this server add to
	// X-Forwarded-For and are believed. [Source].Remotes take the address that the
	// outermost of them saw; with zero it is the last one in the header, which any
	// caller can write.
	TrustedHops int

	// Paths is how paths are made normal before they are judged, and RawPaths
	// judges them as they came. Zero is [match.PathBase], Istio's default.
	Paths    match.PathOptions
	RawPaths bool
}

// A Decision is what became of a request and why.
type Decision struct {
	Allowed bool
	Action  Action // of the policy that decided
	Policy  string // that decided; empty when none did
	Rule    int    // of it
	Err     error  // why nothing could be decided; then it is refused
}

// Details are Envoy's response code details of a refusal.
func (d Decision) Details() string {
	if d.Policy == "" {
		return "rbac_access_denied_matched_policy[none]"
	}
	return "rbac_access_denied_matched_policy[" + d.Policy + "-rule[" + strconv.Itoa(d.Rule) + "]]"
}

// Stats counts decisions since the start.
type Stats struct {
	Allowed, Denied uint64
	Audited         uint64 // requests that an Audit policy matched
	WouldDeny       uint64 // requests let through that policies with DryRun would have refused
}

// An Authorizer judges requests. It is made by [New] and may be used by many
// goroutines while it is updated.
type Authorizer struct {
	now    atomic.Pointer[compiled]
	counts struct{ allowed, denied, audited, wouldDeny atomic.Uint64 }
}

// compiled is a Config made ready.
type compiled struct {
	custom, deny, allow, audit *ruleSet
	dryDeny, dryAllow          *ruleSet
	allows                     bool // whether there is any policy that allows
	dryAllows                  bool
	ask                        func(*http.Request, string) (bool, error)
	hops                       int
	paths                      match.PathOptions
}

// New reports every problem of c, with fields such as
// "authz.Policies[0].Rules[1].To[0].Paths.In".
func New(c Config) (*Authorizer, error) {
	a := new(Authorizer)
	if err := a.Update(c); err != nil {
		return nil, err
	}
	return a, nil
}

// Update replaces all policies at once. With an error the last good ones stay in
// force.
func (a *Authorizer) Update(c Config) error {
	l := check.List{Prefix: "authz"}
	k := &compiled{
		custom: new(ruleSet), deny: new(ruleSet), allow: new(ruleSet), audit: new(ruleSet),
		dryDeny: new(ruleSet), dryAllow: new(ruleSet),
		ask: c.Ask, hops: c.TrustedHops, paths: c.Paths,
	}
	if c.Paths == match.PathNone && !c.RawPaths {
		k.paths = match.PathBase
	}
	if c.RawPaths && c.Paths != match.PathNone {
		l.Add("RawPaths", true, "contradicts Paths")
	}
	if c.TrustedHops < 0 {
		l.Add("TrustedHops", c.TrustedHops, "must not be negative")
	}
	for i := range c.Policies {
		p := &c.Policies[i]
		field := index("Policies", i)
		set := k.setFor(p)
		if set == nil {
			l.Add(field+".Action", uint8(p.Action), "must be Allow, Deny, Audit or Custom")
			continue
		}
		if p.Action == Custom && c.Ask == nil && !p.DryRun {
			l.Add("Ask", nil, "must be set: policy %q asks it", p.Name)
		}
		for j := range p.Rules {
			set.add(entry{p.Name, j, p.Action, compileRule(&l, index(field+".Rules", j), &p.Rules[j])}, &p.Rules[j])
		}
	}
	if err := l.Err(); err != nil {
		return err
	}
	a.now.Store(k)
	return nil
}

// setFor is where the rules of a policy belong, nil for an action that is none. A
// dry run of what decides nothing has no place.
func (k *compiled) setFor(p *Policy) *ruleSet {
	switch p.Action {
	case Allow:
		if p.DryRun {
			k.dryAllows = true
			return k.dryAllow
		}
		k.allows = true
		return k.allow
	case Deny:
		if p.DryRun {
			return k.dryDeny
		}
		return k.deny
	case Audit:
		return k.audit
	case Custom:
		if p.DryRun {
			return new(ruleSet)
		}
		return k.custom
	}
	return nil
}

// Decide judges a request and changes nothing but the counts: custom decisions
// first, then refusals, then permissions.
func (a *Authorizer) Decide(r *http.Request) Decision {
	k := a.now.Load()
	d := k.decide(a, r)
	if d.Allowed {
		a.counts.allowed.Add(1)
	} else {
		a.counts.denied.Add(1)
	}
	return d
}

func (k *compiled) decide(a *Authorizer, r *http.Request) Decision {
	f := facts{r: r, hops: k.hops}
	var ok bool
	if f.path, ok = normalPath(r, k.paths); !ok {
		return Decision{Err: errPath}
	}
	if e := k.custom.find(&f); e != nil {
		let, err := k.ask(r, e.policy)
		if err != nil || !let {
			return Decision{Action: Custom, Policy: e.policy, Rule: e.rule, Err: err}
		}
	}
	if k.audit.find(&f) != nil {
		a.counts.audited.Add(1)
	}
	if e := k.deny.find(&f); e != nil {
		return e.decision(false)
	}
	d := Decision{Allowed: true}
	if k.allows {
		e := k.allow.find(&f)
		if e == nil {
			return Decision{}
		}
		d = e.decision(true)
	}
	if k.dryDeny.find(&f) != nil || k.dryAllows && k.dryAllow.find(&f) == nil {
		a.counts.wouldDeny.Add(1)
	}
	return d
}

var errPath = errors.New("authz: a path that cannot be made normal")

func (e *entry) decision(allowed bool) Decision {
	return Decision{Allowed: allowed, Action: e.action, Policy: e.policy, Rule: e.rule}
}

// Stats copies the counts.
func (a *Authorizer) Stats() Stats {
	c := &a.counts
	return Stats{c.allowed.Load(), c.denied.Load(), c.audited.Load(), c.wouldDeny.Load()}
}

// String is the decision in words.
func (d Decision) String() string {
	word := "refused"
	if d.Allowed {
		word = "allowed"
	}
	switch {
	case d.Err != nil:
		return fmt.Sprintf("%s: %v", word, d.Err)
	case d.Policy == "" && d.Allowed:
		return word + ": no policy says anything"
	case d.Policy == "":
		return word + ": no policy allows it"
	}
	return fmt.Sprintf("%s by rule %d of %s policy %s", word, d.Rule, d.Action, d.Policy)
}
