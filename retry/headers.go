package retry

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sidecarless/mesh/internal/flow"
)

// The headers that Envoy's retries know, as net/http spells them.
const (
	attemptCount       = "X-Envoy-Attempt-Count"
	wishMaxRetries     = "X-Envoy-Max-Retries"
	wishOn             = "X-Envoy-Retry-On"
	wishGRPCOn         = "X-Envoy-Retry-Grpc-On"
	wishStatuses       = "X-Envoy-Retriable-Status-Codes"
	wishAnswerHeaders  = "X-Envoy-Retriable-Header-Names"
	wishPerTryTimeout  = "X-Envoy-Upstream-Rq-Per-Try-Timeout-Ms"
	wishedRetriesOfOwn = 1 // where the policy has none, and the caller names only conditions
)

var wishHeaders = [...]string{wishMaxRetries, wishOn, wishGRPCOn, wishStatuses, wishAnswerHeaders, wishPerTryTimeout}

// wishes are the rules for a request whose headers say what the caller would
// like, and the request without them: a number of retries replaces the policy's,
// conditions add to it. What cannot be read is ignored, as by Envoy.
func (r *rules) wishes(req *http.Request) (*rules, *http.Request) {
	given := false
	for _, name := range wishHeaders {
		given = given || req.Header[name] != nil
	}
	if !given {
		return r, req
	}
	own := *r
	h := req.Header
	asked := setOf(words(h[wishOn])) | setOf(words(h[wishGRPCOn]))
	if own.on == 0 && asked != 0 {
		own.config.Attempts = wishedRetriesOfOwn
	}
	own.on |= asked
	if asked&onStatusCodes != 0 {
		for _, word := range words(h[wishStatuses]) {
			if status, err := strconv.Atoi(string(word)); err == nil && validStatus(status) {
				own.statuses.add(status)
			}
		}
	}
	if asked&onAnswerHeaders != 0 {
		own.config.AnswerHeaders = append([]HeaderMatch(nil), own.config.AnswerHeaders...)
		for _, word := range words(h[wishAnswerHeaders]) {
			own.config.AnswerHeaders = append(own.config.AnswerHeaders, HeaderMatch{Name: http.CanonicalHeaderKey(string(word))})
		}
	}
	if n, ok := number(h[wishMaxRetries]); ok {
		own.config.Attempts = n
	}
	if n, ok := number(h[wishPerTryTimeout]); ok {
		own.config.PerTry = time.Duration(n) * time.Millisecond
	}
	req = flow.OwnHeader(req)
	for _, name := range wishHeaders {
		delete(req.Header, name)
	}
	return &own, req
}

// words are what stands between commas.
func words(values []string) []Condition {
	var list []Condition
	for _, v := range values {
		for word := range strings.SplitSeq(v, ",") {
			list = append(list, Condition(strings.TrimSpace(word)))
		}
	}
	return list
}

// number reads the first of values.
func number(values []string) (int, bool) {
	if len(values) == 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(values[0]), 10, 31)
	return int(n), err == nil
}

// inherit looks whether the call is made for a request that is itself a retry:
// then it is not repeated, and counts as one.
func (c *call) inherit() {
	served := flow.Serving(c.flow.Caller())
	if served == nil {
		return
	}
	if n, ok := number(served.Request.Header[attemptCount]); ok && n > 1 {
		c.inherited = n - 1
		own := *c.rules
		own.on = 0
		c.rules = &own
	}
}

// Handler is a server layer for services whose calls go through a policy with
// Config.Chain: it lets those calls see whether the request that they are made
// for is a retry. It is not needed where another layer of this module keeps a
// record of requests, such as an access log.
func Handler(next http.Handler) http.Handler { return handler{next} }

type handler struct{ next http.Handler }

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, in := flow.EnsureServed(r)
	h.next.ServeHTTP(w, in)
	flow.HandBack(r, in)
}
