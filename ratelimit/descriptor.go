package ratelimit

import (
	"net/http"

	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
)

// descriptors are what the service is asked about a request.
func (s *settings) descriptors(r *http.Request) (all []*common.RateLimitDescriptor) {
	for _, actions := range s.limits {
		if d := describe(actions, r); d != nil {
			all = append(all, d)
		}
	}
	return all
}

// describe is nil where an action has no entry for the request.
func describe(actions []action, r *http.Request) *common.RateLimitDescriptor {
	var entries []*common.RateLimitDescriptor_Entry
	for i := range actions {
		a := &actions[i]
		value, found := a.read(r)
		switch {
		case found:
			entries = append(entries, &common.RateLimitDescriptor_Entry{Key: a.Key, Value: value})
		case !a.Optional || !a.applies(r):
			return nil
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return &common.RateLimitDescriptor{Entries: entries}
}

func (a *action) read(r *http.Request) (value string, found bool) {
	if !a.applies(r) {
		return "", false
	}
	if a.From != nil {
		return a.From(r)
	}
	return a.Value, true
}

// applies reports whether requests like r have the entry at all.
func (a *action) applies(r *http.Request) bool {
	return (a.when == nil || a.when.Match(r)) && (a.unless == nil || !a.unless.Match(r))
}
