package ratelimit

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
)

// headerOf is a header as the service sends it; never nil. Pseudo headers are no
// header's business.
func headerOf(all []*core.HeaderValue) http.Header {
	h := make(http.Header, len(all))
	for _, one := range all {
		if name := one.GetKey(); name != "" && name[0] != ':' {
			value := one.GetValue()
			if value == "" {
				value = string(one.GetRawValue())
			}
			h.Add(name, value)
		}
	}
	return h
}

// addTo adds the lines of a header to another one.
func addTo(h, more http.Header) {
	for name, values := range more {
		name = http.CanonicalHeaderKey(name)
		h[name] = append(h[name][:len(h[name]):len(h[name])], values...)
	}
}

// A verdict is what the service says of one descriptor.
type verdict = *rls.RateLimitResponse_DescriptorStatus

// tell adds Envoy's x-ratelimit headers, of which a draft of the IETF was the model
// (draft-polli-ratelimit-headers-03): the limit of which the least is left, and
// behind it all limits with their windows.
func tell(h http.Header, all []verdict) {
	var nearest verdict
	var policy strings.Builder
	for _, s := range all {
		limit := s.GetCurrentLimit()
		if limit == nil {
			continue
		}
		if nearest == nil || s.LimitRemaining < nearest.LimitRemaining {
			nearest = s
		}
		if w := window(limit.Unit); w > 0 {
			fmt.Fprintf(&policy, ", %d;w=%d", limit.RequestsPerUnit, w)
			if limit.Name != "" {
				fmt.Fprintf(&policy, ";name=%q", limit.Name)
			}
		}
	}
	if nearest == nil {
		return
	}
	h.Add("X-Ratelimit-Limit", strconv.FormatUint(uint64(nearest.CurrentLimit.RequestsPerUnit), 10)+policy.String())
	h.Add("X-Ratelimit-Remaining", strconv.FormatUint(uint64(nearest.LimitRemaining), 10))
	h.Add("X-Ratelimit-Reset", strconv.FormatInt(nearest.DurationUntilReset.GetSeconds(), 10))
}

// comeBack tells when all limits that were reached begin anew, at the earliest in a
// second, as Envoy's enable_retry_after_header does.
func comeBack(h http.Header, all []verdict) {
	most := int64(0)
	for _, s := range all {
		if s.GetCode() == rls.RateLimitResponse_OVER_LIMIT {
			reset := s.DurationUntilReset.GetSeconds()
			if s.DurationUntilReset.GetNanos() > 0 {
				reset++ // or who comes back would be too early
			}
			most = max(most, reset, 1)
		}
	}
	if most > 0 {
		h["Retry-After"] = []string{strconv.FormatInt(most, 10)}
	}
}

const day = 24 * 60 * 60

// window is a unit in seconds; zero for one that is not known.
func window(u rls.RateLimitResponse_RateLimit_Unit) int {
	switch u {
	case rls.RateLimitResponse_RateLimit_SECOND:
		return 1
	case rls.RateLimitResponse_RateLimit_MINUTE:
		return 60
	case rls.RateLimitResponse_RateLimit_HOUR:
		return 60 * 60
	case rls.RateLimitResponse_RateLimit_DAY:
		return day
	case rls.RateLimitResponse_RateLimit_WEEK:
		return 7 * day
	case rls.RateLimitResponse_RateLimit_MONTH:
		return 30 * day
	case rls.RateLimitResponse_RateLimit_YEAR:
		return 365 * day
	}
	return 0
}
