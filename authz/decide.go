package authz

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/match"
)

// A Decision is what became of a request and why.
type Decision struct {
	Allowed bool
	Action  Action // of the policy that decided
	Policy  string // that decided; empty when none did
	Rule    int    // of it
	Err     error  // why nothing could be decided; then the request is refused
}

// errPath refuses what Envoy answers with 400.
var errPath = errors.New("authz: a path that cannot be made normal")

// Details are Envoy's response code details of a refusal.
func (d Decision) Details() string {
	switch {
	case d.Err == errPath:
		return "path_normalization_failed"
	case d.Action == Custom && d.Err != nil:
		return "ext_authz_error"
	case d.Action == Custom:
		return "ext_authz_denied"
	case d.Policy == "":
		return "rbac_access_denied_matched_policy[none]"
	}
	return "rbac_access_denied_matched_policy[" + strings.ReplaceAll(d.Policy, " ", "_") + "-rule[" + strconv.Itoa(d.Rule) + "]]"
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
	case d.Policy != "":
		return fmt.Sprintf("%s by rule %d of %s policy %s", word, d.Rule, d.Action, d.Policy)
	case d.Allowed:
		return word + ": no policy says anything"
	}
	return word + ": no policy allows it"
}

// Decide judges a request and changes nothing but the counts: custom decisions
// first, then refusals, then permissions.
func (a *Authorizer) Decide(r *http.Request) Decision { return a.judge(r).Decision }

// A verdict is a decision and what is to become of an allowed request.
type verdict struct {
	Decision
	path    string // the normal one, empty if the request's own is normal
	request *http.Request
	reply   http.Header // to be added to the answer
}

// judge judges a request.
func (a *Authorizer) judge(r *http.Request) verdict {
	p := a.now.Load()
	view := match.ViewOf(r)
	path, ok := match.NormalizePath(view.Path(), p.paths)
	v := verdict{request: r, path: path}
	if ok && !strings.Contains(r.URL.RawQuery, "#") { // a fragment has no place in a request
		f := facts{r: r, hops: p.hops, path: path}
		v.Decision = a.decide(p, &f)
		v.request, v.reply = f.r, f.reply
	} else {
		v.Decision = Decision{Err: errPath}
	}
	if v.Allowed {
		a.counts.allowed.Add(1)
	} else {
		a.counts.denied.Add(1)
	}
	if v.request != r {
		view = match.ViewOf(v.request)
	}
	if path == view.Path() {
		v.path = ""
	}
	return v
}

func (a *Authorizer) decide(p *policies, f *facts) Decision {
	if e := p.custom.find(f); e != nil {
		if v := match.ViewOf(f.r); v.Path() != f.path {
			f.r = withPath(f.r, f.path) // which nobody is to judge otherwise
		}
		answer, err := p.ask(f.r, e.policy)
		if !answer.Allowed || err != nil {
			d := e.decision(false)
			d.Err = err
			return d
		}
		f.reply = answer.Reply
		if answer.Request != nil {
			f.r = answer.Request
		}
	}
	if p.audit.find(f) != nil {
		a.counts.audited.Add(1)
	}
	if e := p.deny.find(f); e != nil {
		return e.decision(false)
	}
	d := Decision{Allowed: true}
	if p.allows {
		e := p.allow.find(f)
		if e == nil {
			if p.dryAllow.find(f) != nil && p.dryDeny.find(f) == nil {
				a.counts.wouldAllow.Add(1)
			}
			return Decision{}
		}
		d = e.decision(true)
	}
	if p.dryDeny.find(f) != nil || !p.allows && p.dryAllows && p.dryAllow.find(f) == nil {
		a.counts.wouldDeny.Add(1)
	}
	return d
}
