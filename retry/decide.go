package retry

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sidecarless/mesh"
)

// An Attempt is what is known of an attempt that has ended.
type Attempt struct {
	N       int            // 1 is the first
	Method  string         // of the request; empty is GET
	Header  http.Header    // of the request; may be nil
	Answer  *http.Response // nil without one
	Outcome mesh.Outcome   // see [mesh.OutcomeOf]
	Now     time.Time      // for wishes of the server in the form of a date
	Left    time.Duration  // until the bound on the request; zero is no bound
}

// A Decision is what is to follow an attempt.
type Decision struct {
	Again bool
	Wait  time.Duration // before the next attempt

	// Exhausted says that there would be another attempt if one was left.
	Exhausted bool

	// Why is the reason in words, empty where the attempt succeeded or met no
	// condition.
	Why string
}

// Decide says whether another attempt should follow a, and after what wait. Equal
// draws of 64 random bits get equal waits. It knows nothing of bodies that cannot
// be sent again and of budgets, either of which may forbid the attempt still.
func (p *Policy) Decide(a Attempt, draw uint64) Decision {
	r := p.rules.Load()
	return r.decide(r.met(a.Answer, a.Outcome), a, draw)
}

// decide is [Policy.Decide] where it is known which condition a meets.
func (r *rules) decide(condition Condition, a Attempt, draw uint64) Decision {
	if condition == "" {
		return Decision{}
	}
	what := describe(condition, a)
	switch {
	case !r.covers(a.Header):
		return Decision{Why: what + ", but the request has none of the headers that retries are for"}
	case a.Answer != nil && !r.config.Overloaded && len(a.Answer.Header["X-Envoy-Overloaded"]) > 0:
		return Decision{Why: what + ", but the server is overloaded"}
	case !r.config.Unsafe && !safe(a):
		return Decision{Why: what + ", but the request may have been acted on and is not idempotent"}
	case a.N > r.config.Attempts:
		return Decision{Exhausted: true, Why: what + ", but no attempt is left"}
	}
	wait, ok := r.wait(a, draw)
	if !ok {
		return Decision{Why: fmt.Sprintf("%s, but to wait %v is too long", what, wait)}
	}
	return Decision{Again: true, Wait: wait, Why: what}
}

// met is the condition that an attempt meets, empty for none.
func (r *rules) met(res *http.Response, o mesh.Outcome) Condition {
	if res == nil {
		return r.ofFailure(o)
	}
	return r.ofAnswer(res.StatusCode, res.Header)
}

// describe is the condition and what met it, such as "5xx: 503".
func describe(c Condition, a Attempt) string {
	if a.Answer == nil {
		return string(c) + ": " + a.Outcome.Err.Error()
	}
	var room [32]byte
	return string(strconv.AppendInt(append(append(room[:0], c...), ": "...), int64(a.Answer.StatusCode), 10))
}

// covers reports whether a request with these headers is one that the policy is
// for.
func (r *rules) covers(h http.Header) bool {
	return len(r.config.RequestHeaders) == 0 || anyFits(r.config.RequestHeaders, h)
}

// safe reports whether the request can be sent again without being acted on
// twice.
func safe(a Attempt) bool {
	return idempotent(a.Method, a.Header) || a.Answer == nil && mesh.StageOf(a.Outcome.Err) == mesh.NotSent
}

// idempotent reports whether a request may be acted on more than once: by its
// method (RFC 9110 section 9.2.2), or by a key by which the server knows it again.
func idempotent(method string, h http.Header) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return len(h["Idempotency-Key"]) > 0 || len(h["X-Idempotency-Key"]) > 0
}
