package istio

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// httpRoute checks one rule. In a delegate (a VirtualService without hosts) a
// rule cannot delegate further.
func (c *checker) httpRoute(p *path, r *networking.HTTPRoute, inDelegate bool) {
	c.httpAction(p, r, inDelegate)
	for i, m := range r.Match {
		c.httpMatch(p.field("match").at(i), m)
	}
	c.headers(p.field("headers"), r.Headers)
	c.cors(p.field("corsPolicy"), r.CorsPolicy)
	c.fault(p.field("fault"), r.Fault)
	c.mirrors(p, r)
	c.redirect(p.field("redirect"), r.Redirect, r.Match)
	c.directResponse(p.field("directResponse"), r.DirectResponse)
	c.retries(p.field("retries"), r.Retries)
	c.rewrite(p.field("rewrite"), r.Rewrite)
	c.authorityOnce(p, r.Rewrite, r.Headers)
	c.httpDestinations(p.field("route"), r.Route)
	c.duration(p.field("timeout"), r.Timeout)
}

// httpAction checks that a rule does one thing: send on, redirect, answer or
// delegate.
func (c *checker) httpAction(p *path, r *networking.HTTPRoute, inDelegate bool) {
	if r.Delegate != nil && !inDelegate {
		if r.Redirect != nil {
			c.refuse(p.field("redirect"), nil, "cannot stand beside delegate, whose rules decide")
		}
		if r.Route != nil {
			c.refuse(p.field("route"), nil, "cannot stand beside delegate, whose rules decide")
		}
		return
	}
	if r.Delegate != nil {
		c.refuse(p.field("delegate"), nil, "a VirtualService without hosts, which others delegate to, cannot delegate further")
	}
	switch {
	case r.Redirect != nil:
		c.alone(p, r, "redirect")
	case r.DirectResponse != nil:
		c.alone(p, r, "directResponse")
	case len(r.Route) == 0:
		c.refuse(p.field("route"), nil, "is missing: a rule needs route, redirect, directResponse or delegate")
	}
	if r.Mirror != nil && len(r.Mirrors) > 0 {
		c.refuse(p.field("mirrors"), nil, "cannot stand beside mirror")
	}
}

// alone refuses what cannot stand beside the answer that a rule makes itself.
func (c *checker) alone(p *path, r *networking.HTTPRoute, answer string) {
	for _, other := range []struct {
		name string
		set  bool
	}{
		{"route", len(r.Route) > 0},
		{"fault", r.Fault != nil},
		{"rewrite", r.Rewrite != nil},
		{"directResponse", r.DirectResponse != nil && answer != "directResponse"},
	} {
		if other.set {
			c.refuse(p.field(other.name), nil, "cannot stand beside %s, which answers the request", answer)
		}
	}
}

// httpMatch checks one match of a rule.
func (c *checker) httpMatch(p *path, m *networking.HTTPMatchRequest) {
	for _, name := range sortedKeys(m.Headers) {
		at := p.field("headers").key(name)
		c.matchedHeader(at, name)
		c.stringMatch(at, m.Headers[name])
	}
	for _, name := range sortedKeys(m.WithoutHeaders) {
		at := p.field("withoutHeaders").key(name)
		c.matchedHeader(at, name)
		if m.WithoutHeaders[name].GetRegex() != "*" { // which stands for presence here
			c.stringMatch(at, m.WithoutHeaders[name])
		}
	}
	for _, name := range sortedKeys(m.QueryParams) {
		c.stringMatch(p.field("queryParams").key(name), m.QueryParams[name])
	}
	c.stringRegex(p.field("uri"), m.Uri)
	c.stringMatch(p.field("scheme"), m.Scheme)
	c.stringMatch(p.field("method"), m.Method)
	c.stringMatch(p.field("authority"), m.Authority)
	if m.Port != 0 {
		c.port(p.field("port"), m.Port)
	}
	c.labels(p.field("sourceLabels"), m.SourceLabels)
	c.unheard(func() { c.gatewayNames(p.field("gateways"), m.Gateways) })
	if m.SourceNamespace != "" && !isLabel(m.SourceNamespace) {
		c.refuse(p.field("sourceNamespace"), m.SourceNamespace, "must be a namespace")
	}
}

// httpDestinations checks where a rule sends requests, and in which shares.
func (c *checker) httpDestinations(p *path, route []*networking.HTTPRouteDestination) {
	weights := make([]int32, len(route))
	for i, r := range route {
		at := p.at(i)
		c.headers(at.field("headers"), r.Headers)
		c.destination(at.field("destination"), r.Destination)
		c.weight(at.field("weight"), r.Weight)
		weights[i] = r.Weight
	}
	c.weights(p, weights)
}

func (c *checker) weight(p *path, weight int32) {
	if weight < 0 {
		c.refuse(p, weight, "must not be negative")
	}
}

// weights checks the sum of weights, which Istio takes in 32 bits.
func (c *checker) weights(p *path, weights []int32) {
	if len(weights) < 2 {
		return
	}
	var wrapped int32
	var sum int64
	for _, w := range weights {
		wrapped += w
		sum += int64(w)
	}
	switch {
	case sum == 0:
		c.refuse(p, nil, "all weights are 0, so no destination gets anything")
	case wrapped == 0:
		c.refuse(p, sum, "the sum of the weights is too large")
	case sum > math.MaxUint32:
		c.pointless(p, sum, "the sum of the weights must be at most %d", uint32(math.MaxUint32))
	}
}

// destination checks a service to send requests to.
func (c *checker) destination(p *path, d *networking.Destination) {
	if d == nil {
		return
	}
	if d.Host == "*" {
		c.refuse(p.field("host"), d.Host, "a destination is one service, not all hosts")
	} else {
		c.host(p.field("host"), d.Host)
	}
	if d.Subset != "" {
		c.subsetName(p.field("subset"), d.Subset)
	}
	if d.Port != nil {
		c.port(p.field("port").field("number"), d.Port.Number)
	}
}

func (c *checker) subsetName(p *path, name string) {
	if !isLabel(name) {
		c.refuse(p, name, "the name of a subset must be letters, digits and inner dashes, at most 63")
	}
}

// retryConditions are the words that retryOn knows.
var retryConditions = []string{
	"5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "retriable-4xx", "refused-stream",
	"retriable-status-codes", "retriable-headers", "envoy-ratelimited", "http3-post-connect-failure",
	"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
}

func (c *checker) retries(p *path, r *networking.HTTPRetry) {
	if r == nil {
		return
	}
	if r.Attempts < 0 {
		c.refuse(p.field("attempts"), r.Attempts, "must not be negative")
	}
	if r.Attempts == 0 {
		for _, other := range []struct {
			name string
			set  bool
		}{
			{"perTryTimeout", r.PerTryTimeout != nil},
			{"retryOn", r.RetryOn != ""},
			{"retryRemoteLocalities", r.RetryRemoteLocalities != nil},
		} {
			if other.set {
				c.refuse(p.field(other.name), nil, "needs attempts of at least 1; with 0 or none there are no retries")
				break
			}
		}
	}
	c.duration(p.field("perTryTimeout"), r.PerTryTimeout)
	c.duration(p.field("backoff"), r.Backoff)
	if r.RetryOn == "" {
		return
	}
	at := p.field("retryOn")
	if strings.ContainsAny(r.RetryOn, " \t") {
		c.refuse(at, r.RetryOn, "must hold no spaces")
	}
	for word := range strings.SplitSeq(r.RetryOn, ",") {
		if problem := retryProblem(strings.TrimSpace(word)); problem != "" {
			c.refuse(at, r.RetryOn, "%s", problem)
		}
	}
}

// retryProblem says what is wrong with a word of retryOn: a condition, or a
// status code.
func retryProblem(word string) string {
	code, err := strconv.Atoi(word)
	switch {
	case slices.Contains(retryConditions, word), http.StatusText(code) != "":
		return ""
	case word == "":
		return "there is a comma too many"
	case err == nil:
		return word + " is no status code that has a name"
	case slices.Contains(retryConditions, strings.ToLower(word)):
		return word + " must be in small letters"
	}
	return word + " is no condition for a retry" + didYouMean(nearest(word, retryConditions))
}
