package ratelimit

import (
	"fmt"
	"net/http"
	"time"

	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// A Config says whom to ask what, and what to do with the answer. The names of
// Envoy's settings stand in brackets.
type Config struct {
	// Service is a connection to the service. The caller makes it and closes it when
	// the Client is no longer used. It should connect before the first request, which
	// else pays for that out of its Timeout.
	Service grpc.ClientConnInterface

	// Domain is whose limits are meant, the outermost name in the service's
	// configuration. It must be set.
	Domain string

	// Limits each make a descriptor of a request, or none. A request without any is
	// not asked about.
	Limits []Limit

	// Hits is how much a request counts; nil is one for each. [hits_addend]
	Hits func(*http.Request) uint32

	// Timeout bounds the call; zero is 20 ms, below zero there is no bound but the
	// request's own.
	Timeout time.Duration

	// FailClosed refuses requests while the service cannot be asked. Without it they
	// pass. [failure_mode_deny]
	FailClosed bool

	// Status is what those get who are over a limit, 400 to 599; zero is 429.
	// [rate_limited_status]
	Status int

	// StatusOnError is what those get whom FailClosed refuses, 400 to 599; zero is
	// 500. [status_on_error]
	StatusOnError int

	// Header is added to refusals of those who are over a limit.
	// [response_headers_to_add]
	Header http.Header

	// Headers adds x-ratelimit-limit, -remaining and -reset of the limit that is
	// nearest, after the third draft of the IETF. [enable_x_ratelimit_headers]
	Headers bool

	// Retriable leaves x-envoy-ratelimited out of refusals, which keeps others from
	// repeating the request. [disable_x_envoy_ratelimited_header]
	Retriable bool

	// ResourceExhausted tells gRPC callers that are refused the status 8,
	// RESOURCE_EXHAUSTED, in place of 14, UNAVAILABLE.
	// [rate_limited_as_resource_exhausted]
	ResourceExhausted bool
}

// A Limit makes a descriptor of a request: the entries of its actions in their
// order. Where one action has none there is no descriptor.
type Limit struct {
	Actions []Action
}

// An Action makes an entry of a descriptor. It has either a Value or a From.
type Action struct {
	Key   string    // of the entry; it must be set
	Value string    // the same for all requests
	From  match.Key // reads the value from the request

	// Optional leaves the entry out where From finds nothing, and not the whole
	// descriptor. A descriptor without any entry is none.
	Optional bool

	// When describes the requests that have the entry: one description has to fit.
	// Unless describes those that have none. Without either all have it.
	When, Unless []match.Request
}

const (
	defaultTimeout = 20 * time.Millisecond
	defaultStatus  = http.StatusTooManyRequests
	defaultOnError = http.StatusInternalServerError
)

// A settings is a compiled Config.
type settings struct {
	Config
	service rls.RateLimitServiceClient
	limits  [][]action
}

// An action is a compiled Action.
type action struct {
	Action
	when, unless *match.Matcher // nil for none
}

func compile(c Config) (*settings, error) {
	l := check.List{Prefix: "ratelimit"}
	if c.Service == nil {
		l.Add("Service", nil, "is missing")
	}
	if c.Domain == "" {
		l.Add("Domain", nil, "is missing")
	}
	if len(c.Limits) == 0 {
		l.Add("Limits", nil, "are missing")
	}
	status(&l, "Status", &c.Status, defaultStatus)
	status(&l, "StatusOnError", &c.StatusOnError, defaultOnError)
	s := &settings{Config: c, limits: make([][]action, len(c.Limits))}
	for n, limit := range c.Limits {
		field := fmt.Sprintf("Limits[%d].Actions", n)
		if len(limit.Actions) == 0 {
			l.Add(field, nil, "are missing")
		}
		for m, a := range limit.Actions {
			compiled, err := a.compile()
			l.Include(fmt.Sprintf("%s[%d]", field, m), err)
			s.limits[n] = append(s.limits[n], compiled)
		}
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	s.service = rls.NewRateLimitServiceClient(c.Service)
	return s, nil
}

func status(l *check.List, field string, status *int, otherwise int) {
	switch {
	case *status == 0:
		*status = otherwise
	case *status < 400 || *status > 599:
		l.Add(field, *status, "must be 400 to 599, since the request is refused")
	}
}

func (a Action) compile() (action, error) {
	var l check.List
	if a.Key == "" {
		l.Add("Key", nil, "is missing")
	}
	switch {
	case a.From == nil && a.Value == "":
		l.Add("Value", nil, "is missing, and so is From")
	case a.From != nil && a.Value != "":
		l.Add("Value", a.Value, "stands beside From, and only one of them can count")
	case a.From == nil && a.Optional:
		l.Add("Optional", true, "stands without From; a fixed value is always there")
	}
	c := action{Action: a}
	for _, m := range []struct {
		field    string
		requests []match.Request
		matcher  **match.Matcher
	}{{"When", a.When, &c.when}, {"Unless", a.Unless, &c.unless}} {
		if len(m.requests) > 0 {
			var err error
			*m.matcher, err = match.New(m.requests...)
			l.Include(m.field, err)
		}
	}
	return c, l.Err()
}
