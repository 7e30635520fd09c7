package analyze

import (
	"fmt"
	"strings"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/istio"
)

// hiddenRules looks for rules all of whose matches earlier rules cover. Istio's
// own check sees only equal matches and prefixes.
func (a *analysis) hiddenRules() {
	for _, vs := range a.virtualServices {
		for i, r := range vs.Spec.Http {
			if hider := hiddenBy(vs.Spec.Http[:i], r); hider >= 0 && !a.unreachable[vs.Resource] {
				a.add(CodeHiddenRule, istio.Warning, vs.Resource, fmt.Sprintf("spec.http[%d]", i),
					fmt.Sprintf("rule %s is never reached: rule %s before it takes every request that it would", ruleName(r, i), ruleName(vs.Spec.Http[hider], hider)),
					"put the narrower rule first")
			}
		}
	}
}

func ruleName(r *networking.HTTPRoute, i int) string {
	if r.Name != "" {
		return fmt.Sprintf("%q", r.Name)
	}
	return fmt.Sprintf("#%d", i)
}

// hiddenBy is the last of the rules that hide r together, or -1.
func hiddenBy(earlier []*networking.HTTPRoute, r *networking.HTTPRoute) int {
	matches := r.Match
	if len(matches) == 0 {
		matches = []*networking.HTTPMatchRequest{{}}
	}
	last := -1
	for _, m := range matches {
		hider := coveredBy(earlier, m)
		if hider < 0 {
			return -1
		}
		last = max(last, hider)
	}
	return last
}

// coveredBy is the first rule that takes all that a match would, or -1.
func coveredBy(rules []*networking.HTTPRoute, m *networking.HTTPMatchRequest) int {
	for i, r := range rules {
		if len(r.Match) == 0 {
			return i
		}
		for _, e := range r.Match {
			if covers(e, m) {
				return i
			}
		}
	}
	return -1
}

// routes looks at each rule by itself.
func (a *analysis) routes() {
	for _, vs := range a.virtualServices {
		for i, r := range vs.Spec.Http {
			field := fmt.Sprintf("spec.http[%d]", i)
			a.retryBudget(vs.Resource, field, r)
			a.starved(vs.Resource, field, r)
			a.doubleSlash(vs.Resource, field, r)
			a.neverMatches(vs.Resource, field, r)
			a.unsticky(vs, field, r)
			if r.Fault.GetAbort() != nil && r.Retries.GetAttempts() > 0 {
				a.add(CodeFaultsUnretried, istio.Info, vs.Resource, field+".retries",
					"the retries of a rule do not see its own faults: an injected abort is answered at once, and the service is not called",
					"to exercise retries, inject the fault at another hop")
			}
		}
	}
}

// retryBudget compares the time that all tries may take with the rule's.
func (a *analysis) retryBudget(res *istio.Resource, field string, r *networking.HTTPRoute) {
	perTry, timeout, tries := r.Retries.GetPerTryTimeout().AsDuration(), r.Timeout.AsDuration(), time.Duration(r.Retries.GetAttempts())+1
	switch {
	case perTry == 0 || timeout == 0 || tries < 2:
	case perTry >= timeout:
		a.add(CodeRetryBudget, istio.Warning, res, field+".retries.perTryTimeout",
			fmt.Sprintf("perTryTimeout %s never ends a try: the timeout of the whole request, %s, comes first, so a slow try is never repeated", perTry, timeout),
			fmt.Sprintf("make it less than %s", timeout/tries))
	case perTry*tries > timeout:
		a.add(CodeRetryBudget, istio.Warning, res, field+".retries",
			fmt.Sprintf("%d tries of up to %s need %s, and the timeout of the whole request is %s: only %d can run to their end", tries, perTry, perTry*tries, timeout, timeout/perTry),
			fmt.Sprintf("raise timeout to %s, or lower perTryTimeout to %s", perTry*tries, (timeout/tries).Truncate(time.Millisecond)))
	}
}

// starved looks for destinations without a weight among weighted ones.
func (a *analysis) starved(res *istio.Resource, field string, r *networking.HTTPRoute) {
	var sum int64
	for _, to := range r.Route {
		sum += int64(to.Weight)
	}
	for j, to := range r.Route {
		if len(r.Route) > 1 && sum > 0 && to.Weight == 0 {
			level, advice := istio.Info, "leave the destination out, if it is meant to get nothing"
			if j > 0 && sum < 100 {
				level, advice = istio.Warning, fmt.Sprintf("give it the weight %d", 100-sum)
			}
			a.add(CodeStarved, level, res, fmt.Sprintf("%s.route[%d]", field, j),
				fmt.Sprintf("%s gets nothing: its weight is 0 or missing, and the others have %d", destinationName(to.Destination), sum), advice)
		}
	}
}

func destinationName(d *networking.Destination) string {
	if d.GetSubset() != "" {
		return d.GetHost() + "/" + d.GetSubset()
	}
	return d.GetHost()
}

// doubleSlash looks for prefixes without a slash at the end whose replacement
// has one.
func (a *analysis) doubleSlash(res *istio.Resource, field string, r *networking.HTTPRoute) {
	replacement := r.Rewrite.GetUri()
	if !strings.HasSuffix(replacement, "/") {
		return
	}
	for j, m := range r.Match {
		prefix := m.GetUri().GetPrefix()
		if prefix == "" || strings.HasSuffix(prefix, "/") {
			continue
		}
		a.add(CodeDoubleSlash, istio.Warning, res, fmt.Sprintf("%s.match[%d].uri.prefix", field, j),
			fmt.Sprintf("the rewrite turns %s/x into %s/x: the prefix %s is replaced, not the segment", prefix, replacement, prefix),
			fmt.Sprintf("match the prefix %s/, and %s itself by another match", prefix, prefix))
	}
}

// neverMatches looks for matches that no request can have.
func (a *analysis) neverMatches(res *istio.Resource, field string, r *networking.HTTPRoute) {
	for j, m := range r.Match {
		at := fmt.Sprintf("%s.match[%d]", field, j)
		switch uri := m.GetUri().GetMatchType().(type) {
		case *networking.StringMatch_Prefix:
			a.path(res, at+".uri.prefix", uri.Prefix, uri.Prefix != "")
		case *networking.StringMatch_Exact:
			a.path(res, at+".uri.exact", uri.Exact, true)
		}
		if method := m.GetMethod().GetExact(); method != strings.ToUpper(method) {
			a.add(CodeNeverMatches, istio.Warning, res, at+".method.exact", fmt.Sprintf("the method %s matches no usual request: methods are compared as they are written", method),
				"write "+strings.ToUpper(method))
		}
	}
}

func (a *analysis) path(res *istio.Resource, field, path string, rooted bool) {
	switch {
	case rooted && !strings.HasPrefix(path, "/") && path != "*":
		a.add(CodeNeverMatches, istio.Warning, res, field, fmt.Sprintf("%q matches no path: every path begins with a slash", path), "write /"+path)
	case strings.ContainsAny(path, "?#"):
		a.add(CodeNeverMatches, istio.Warning, res, field, fmt.Sprintf("%q matches no path: the query is not part of it", path), "match the query by queryParams")
	}
}

// unsticky looks for hashing behind a split: which side a request goes to is
// drawn each time, whatever it hashes to.
func (a *analysis) unsticky(vs istio.Object[*networking.VirtualService], field string, r *networking.HTTPRoute) {
	weighted := 0
	for _, to := range r.Route {
		if to.Weight > 0 {
			weighted++
		}
	}
	if weighted < 2 {
		return
	}
	for j, to := range r.Route {
		for _, dr := range a.rules {
			if fqdn(dr.Spec.Host, dr.Namespace) == fqdn(to.GetDestination().GetHost(), vs.Namespace) && dr.Spec.GetTrafficPolicy().GetLoadBalancer().GetConsistentHash() != nil {
				a.add(CodeUnsticky, istio.Info, vs.Resource, fmt.Sprintf("%s.route[%d]", field, j),
					fmt.Sprintf("DestinationRule %s hashes requests to one endpoint, but the weights here are drawn anew for each request, so a client changes sides", fullName(dr.Resource)),
					"match clients by a header or cookie to keep them on one side")
				return
			}
		}
	}
}
