package istio

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// httpRoute checks one rule. In a delegate (a VirtualService without hosts) a
// rule cannot delegate further.
func (c *checker) httpRoute(p *manifest.Path, r *networking.HTTPRoute, inDelegate bool) {
	c.httpAction(p, r, inDelegate)
	for i, m := range r.Match {
		c.httpMatch(p.Field("match").At(i), m)
	}
	c.headers(p.Field("headers"), r.Headers)
	c.cors(p.Field("corsPolicy"), r.CorsPolicy)
	c.fault(p.Field("fault"), r.Fault)
	c.mirrors(p, r)
	c.redirect(p.Field("redirect"), r.Redirect, r.Match)
	c.directResponse(p.Field("directResponse"), r.DirectResponse)
	c.retries(p.Field("retries"), r.Retries)
	c.rewrite(p.Field("rewrite"), r.Rewrite)
	c.authorityOnce(p, r.Rewrite, r.Headers)
	c.httpDestinations(p.Field("route"), r.Route)
	c.duration(p.Field("timeout"), r.Timeout)
}

// httpAction checks that a rule does one thing: send on, redirect, answer or
// delegate.
func (c *checker) httpAction(p *manifest.Path, r *networking.HTTPRoute, inDelegate bool) {
	if r.Delegate != nil && !inDelegate {
		if r.Redirect != nil {
			c.refuse(p.Field("redirect"), nil, "cannot stand beside delegate, whose rules decide")
		}
		if r.Route != nil {
			c.refuse(p.Field("route"), nil, "cannot stand beside delegate, whose rules decide")
		}
		return
	}
	if r.Delegate != nil {
		c.refuse(p.Field("delegate"), nil, "a VirtualService without hosts, which others delegate to, cannot delegate further")
	}
	switch {
	case r.Redirect != nil:
		c.alone(p, r, "redirect")
	case r.DirectResponse != nil:
		c.alone(p, r, "directResponse")
	case len(r.Route) == 0:
		c.refuse(p.Field("route"), nil, "is missing: a rule needs route, redirect, directResponse or delegate")
	}
	if r.Mirror != nil && len(r.Mirrors) > 0 {
		c.refuse(p.Field("mirrors"), nil, "cannot stand beside mirror")
	}
}

// alone refuses what cannot stand beside the answer that a rule makes itself.
func (c *checker) alone(p *manifest.Path, r *networking.HTTPRoute, answer string) {
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
			c.refuse(p.Field(other.name), nil, "cannot stand beside %s, which answers the request", answer)
		}
	}
}

// httpMatch checks one match of a rule.
func (c *checker) httpMatch(p *manifest.Path, m *networking.HTTPMatchRequest) {
	for _, name := range sortedKeys(m.Headers) {
		at := p.Field("headers").Key(name)
		c.matchedHeader(at, name)
		c.stringMatch(at, m.Headers[name])
	}
	for _, name := range sortedKeys(m.WithoutHeaders) {
		at := p.Field("withoutHeaders").Key(name)
		c.matchedHeader(at, name)
		if m.WithoutHeaders[name].GetRegex() != "*" { // which stands for presence here
			c.stringMatch(at, m.WithoutHeaders[name])
		}
	}
	for _, name := range sortedKeys(m.QueryParams) {
		c.stringMatch(p.Field("queryParams").Key(name), m.QueryParams[name])
	}
	c.stringRegex(p.Field("uri"), m.Uri)
	c.stringMatch(p.Field("scheme"), m.Scheme)
	c.stringMatch(p.Field("method"), m.Method)
	c.stringMatch(p.Field("authority"), m.Authority)
	if m.Port != 0 {
		c.port(p.Field("port"), m.Port)
	}
	c.labels(p.Field("sourceLabels"), m.SourceLabels)
	c.unheard(func() { c.gatewayNames(p.Field("gateways"), m.Gateways) })
	if m.SourceNamespace != "" && !isLabel(m.SourceNamespace) {
		c.refuse(p.Field("sourceNamespace"), m.SourceNamespace, "must be a namespace")
	}
}

// httpDestinations checks where a rule sends requests, and in which shares.
func (c *checker) httpDestinations(p *manifest.Path, route []*networking.HTTPRouteDestination) {
	weights := make([]int32, len(route))
	for i, r := range route {
		at := p.At(i)
		c.headers(at.Field("headers"), r.Headers)
		c.destination(at.Field("destination"), r.Destination)
		c.weight(at.Field("weight"), r.Weight)
		weights[i] = r.Weight
	}
	c.weights(p, weights)
}

func (c *checker) weight(p *manifest.Path, weight int32) {
	if weight < 0 {
		c.refuse(p, weight, "must not be negative")
	}
}

// weights checks the sum of weights, which Istio takes in 32 bits.
func (c *checker) weights(p *manifest.Path, weights []int32) {
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
func (c *checker) destination(p *manifest.Path, d *networking.Destination) {
	if d == nil {
		return
	}
	if d.Host == "*" {
		c.refuse(p.Field("host"), d.Host, "a destination is one service, not all hosts")
	} else {
		c.host(p.Field("host"), d.Host)
	}
	if d.Subset != "" {
		c.subsetName(p.Field("subset"), d.Subset)
	}
	if d.Port != nil {
		c.port(p.Field("port").Field("number"), d.Port.Number)
	}
}

func (c *checker) subsetName(p *manifest.Path, name string) {
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

func (c *checker) retries(p *manifest.Path, r *networking.HTTPRetry) {
	if r == nil {
		return
	}
	if r.Attempts < 0 {
		c.refuse(p.Field("attempts"), r.Attempts, "must not be negative")
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
				c.refuse(p.Field(other.name), nil, "needs attempts of at least 1; with 0 or none there are no retries")
				break
			}
		}
	}
	c.duration(p.Field("perTryTimeout"), r.PerTryTimeout)
	c.duration(p.Field("backoff"), r.Backoff)
	if r.RetryOn == "" {
		return
	}
	at := p.Field("retryOn")
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
	return word + " is no condition for a retry" + manifest.DidYouMean(manifest.Nearest(word, retryConditions))
}
