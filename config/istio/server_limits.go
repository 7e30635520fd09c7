package istio

import (
	"errors"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"sync/atomic"

	"github.com/sidecarless/mesh"
	inbound "github.com/sidecarless/mesh/config/internal/security"
	"github.com/sidecarless/mesh/limit"
)

// A limited rule of a RateLimit is one in force.
type limitedRule struct {
	*limit.Limiter
	name   string // of the object and the rule
	object *Resource
	index  int
	rule   *RateLimitRule
	config limit.Config
}

// source is where the rule stands.
func (r *limitedRule) source() string { return r.object.Source(fmt.Sprintf("spec.rules[%d]", r.index)) }

// limitedRules are those for a workload, with limiters that are full.
func (c *Config) limitedRules(w *inbound.World, to inbound.Workload) ([]*limitedRule, error) {
	var all []*limitedRule
	var errs []error
	for _, o := range c.RateLimits() {
		if !w.Reaches(o.Namespace, o.Spec.Selector.MatchLabels, to) {
			continue
		}
		for i := range o.Spec.Rules {
			r := &limitedRule{object: o.Resource, index: i, rule: &o.Spec.Rules[i], name: fmt.Sprintf("%s rules[%d]", o.Key(), i)}
			if r.rule.Name != "" {
				r.name = o.Key() + " " + r.rule.Name
			}
			var err error
			if r.config, err = r.rule.limiter(); err == nil {
				r.Limiter, err = limit.New(r.config)
			}
			if err != nil {
				errs = append(errs, &mesh.Problem{Source: o.Source("spec.rules"), Field: fmt.Sprintf("spec.rules[%d]", i), Reason: err.Error()})
			}
			all = append(all, r)
		}
	}
	return all, errors.Join(errs...)
}

// keepBuckets gives rules the limiters that their namesakes had before, which begin
// anew only where other things have buckets now.
func keepBuckets(before, now []*limitedRule) error {
	byName := map[string]*limitedRule{}
	for _, r := range before {
		byName[r.name] = r
	}
	for _, r := range now {
		old := byName[r.name]
		if old == nil || !reflect.DeepEqual(old.rule.Key, r.rule.Key) {
			continue
		}
		r.Limiter = old.Limiter
		if reflect.DeepEqual(old.rule, r.rule) {
			continue
		}
		if err := r.Update(r.config); err != nil { // it made a limiter before
			return err
		}
	}
	return nil
}

// Limits yields the rules of RateLimits in force, by the name of the object and the
// rule's, such as "RateLimit shop/orders per-user", with what they have counted.
func (s *Server) Limits() iter.Seq2[string, limit.Stats] {
	return func(yield func(string, limit.Stats) bool) {
		for _, r := range s.now.Load().limits {
			if !yield(r.name, r.Stats()) {
				return
			}
		}
	}
}

// limited lets through what finds a token by each rule in force.
type limited struct {
	server *Server
	next   http.Handler
	chain  atomic.Pointer[limitedChain]
}

// A limitedChain are the handlers of the rules that were in force with an admission.
type limitedChain struct {
	http.Handler
	of *admission
}

// ServeHTTP implements http.Handler.
func (l *limited) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := l.server.now.Load()
	chain := l.chain.Load()
	if chain == nil || chain.of != now {
		chain = &limitedChain{l.next, now}
		for i := len(now.limits) - 1; i >= 0; i-- {
			chain.Handler = now.limits[i].Handler(chain.Handler)
		}
		l.chain.Store(chain)
	}
	chain.ServeHTTP(w, r)
}
