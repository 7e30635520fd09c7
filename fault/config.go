package fault

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// A Config says which requests meet which faults. The zero Config lets every
// request pass.
type Config struct {
	// When describes the requests that faults are drawn for; zero is all of them.
	When match.Request

	Delay Delay // before the request goes on; zero is none
	Abort Abort // instead of the request; zero is none
	Drip  Drip  // of the answer's body; zero is none
	Cut   Cut   // of the answer's body; zero is none

	// Asked lets callers ask for faults by Envoy's request headers. The zero value
	// does not listen to them.
	Asked Asked

	// Ordered lets trusted callers order faults of services by name, with a signed
	// header. The zero value does not listen to it.
	Ordered Ordered

	// MaxActive is how many requests with a fault may be under way at once, until
	// their answers have ended; further requests pass without. Zero is no limit,
	// negative lets every request pass.
	MaxActive int

	// Rand draws 64 random bits, for a run that is to be repeated; it is called by
	// several goroutines at once. Nil is math/rand/v2.
	Rand func() uint64
}

// A Delay makes requests wait. The wait ends when the caller goes away.
type Delay struct {
	Share  mesh.Fraction // of requests; it must be set with one of the others
	For    time.Duration // always as long, or
	Spread Spread        // as long as is drawn
}

// An Abort answers requests in place of the server, as Envoy would: with the
// text "fault filter abort" or, if the request is gRPC's, with a gRPC status in
// the header of an empty answer.
type Abort struct {
	// Share is of requests; it must be set with one of the others.
	Share mesh.Fraction

	// Status is one of HTTP, 200 to 599. gRPC callers get what stands for it.
	Status int

	// GRPC is a status of gRPC, 1 to 16, for gRPC callers. Others get Status or, if
	// that is zero, what stands for it in HTTP: 503 for 14, UNAVAILABLE.
	GRPC int

	// Reset gives no answer at all: the connection breaks.
	Reset bool
}

// A Drip slows answers down to a rate, as a network does that has little left.
type Drip struct {
	Share mesh.Fraction // of requests; it must be set with Rate
	Rate  int64         // bytes a second
}

// A Cut breaks answers off, as a server does that crashes.
type Cut struct {
	Share mesh.Fraction // of requests
	After int64         // bytes of the body that still get through
}

// Asked are the faults that callers may ask for by Envoy's request headers:
//
//	x-envoy-fault-delay-request         milliseconds
//	x-envoy-fault-abort-request         an HTTP status, 200 to 599
//	x-envoy-fault-abort-grpc-request    a gRPC status, if the former is not there
//	x-envoy-fault-throughput-response   KiB a second
//
// Each can come with a header of the same name and "-percentage", a number that
// lowers the share. What cannot be read does not count. As anybody can send them,
// they are for test systems and for requests that [Config.When] recognizes.
type Asked struct {
	Delay, Abort, Drip mesh.Fraction // at most this share of the requests that ask; zero does not listen

	// Unit is the share that 1 in a percentage header stands for. Zero is one per
	// cent; Envoy takes it from the denominator of the configured percentage.
	Unit mesh.Fraction

	MaxDelay time.Duration // longer wishes are cut to it; zero is 15 s
}

const (
	defaultMaxDelay = 15 * time.Second
	maxRate         = 1 << 50 // beyond any network, and far from overflowing
)

// A plan is a compiled Config.
type plan struct {
	Config
	when  *match.Matcher // nil for all
	idle  bool           // nothing can happen
	asked bool           // callers may ask
	order bool           // callers may order
	plain int            // the HTTP status of an abort
}

func compile(c Config) (*plan, error) {
	l := check.List{Prefix: "fault"}
	p := &plan{Config: c}

	l.Share("Delay.Share", c.Delay.Share)
	l.NotNegative("Delay.For", c.Delay.For)
	c.Delay.Spread.check(&l)
	needs(&l, "Delay", c.Delay.Share, c.Delay.For != 0 || !c.Delay.Spread.zero(), "For or Spread")
	if c.Delay.For != 0 && !c.Delay.Spread.zero() {
		l.Add("Delay.Spread", nil, "stands beside For; only one of them can say how long")
	}

	a := c.Abort
	l.Share("Abort.Share", a.Share)
	if a.Status != 0 && (a.Status < 200 || a.Status > 599) {
		l.Add("Abort.Status", a.Status, "must be 200 to 599")
	}
	if a.GRPC < 0 || a.GRPC > 16 {
		l.Add("Abort.GRPC", a.GRPC, "must be one of gRPC's, 1 to 16")
	}
	if a.Reset && (a.Status != 0 || a.GRPC != 0) {
		l.Add("Abort.Reset", nil, "stands beside a status; a connection that breaks has none")
	}
	needs(&l, "Abort", a.Share, a.Reset || a.Status != 0 || a.GRPC != 0, "Status, GRPC or Reset")

	l.Share("Drip.Share", c.Drip.Share)
	if c.Drip.Rate < 0 || c.Drip.Rate > maxRate {
		l.Add("Drip.Rate", c.Drip.Rate, "must be 1 to %d bytes a second", int64(maxRate))
	}
	needs(&l, "Drip", c.Drip.Share, c.Drip.Rate != 0, "Rate")

	l.Share("Cut.Share", c.Cut.Share)
	if c.Cut.After < 0 {
		l.Add("Cut.After", c.Cut.After, "must not be negative")
	}
	if c.Cut.Share == 0 && c.Cut.After != 0 {
		l.Add("Cut.Share", nil, "is missing: no answer would be cut")
	}

	c.Asked.check(&l, c)
	if p.Asked.Unit == 0 {
		p.Asked.Unit = mesh.Percent(1)
	}
	if p.Asked.MaxDelay == 0 {
		p.Asked.MaxDelay = defaultMaxDelay
	}

	c.Ordered.check(&l)
	p.order = c.Ordered.Share != 0
	if p.Ordered.MaxDelay == 0 {
		p.Ordered.MaxDelay = defaultMaxDelay
	}

	m, err := match.New(c.When)
	l.Include("When", err)
	if !everything(c.When) {
		p.when = m
	}
	p.asked = c.Asked.Delay|c.Asked.Abort|c.Asked.Drip != 0
	p.idle = c.MaxActive < 0 || c.Delay.Share|a.Share|c.Drip.Share|c.Cut.Share == 0 && !p.asked && !p.order
	if p.plain = a.Status; p.plain == 0 && a.GRPC != 0 {
		p.plain = inHTTP(a.GRPC)
	}
	return p, l.Err()
}

// needs reports a share of nothing and something that nobody gets: both are
// forgotten fields.
func needs(l *check.List, field string, share mesh.Fraction, what bool, names string) {
	switch {
	case share != 0 && !what:
		l.Add(field, nil, "has a share and nothing that happens: %s is missing", names)
	case share == 0 && what:
		l.Add(field+".Share", nil, "is missing: it would happen to no request")
	}
}

func (a Asked) check(l *check.List, c Config) {
	l.Share("Asked.Delay", a.Delay)
	l.Share("Asked.Abort", a.Abort)
	l.Share("Asked.Drip", a.Drip)
	l.Share("Asked.Unit", a.Unit)
	l.NotNegative("Asked.MaxDelay", a.MaxDelay)
	for _, both := range [...]struct {
		name         string
		asked, fixed mesh.Fraction
	}{{"Delay", a.Delay, c.Delay.Share}, {"Abort", a.Abort, c.Abort.Share}, {"Drip", a.Drip, c.Drip.Share}} {
		if both.asked != 0 && both.fixed != 0 {
			l.Add("Asked."+both.name, nil, "stands beside %s; a fault is either fixed or asked for", both.name)
		}
	}
}

// everything reports whether a description accepts all requests.
func everything(q match.Request) bool {
	return q.Method.IsZero() && q.Scheme.IsZero() && q.Host.IsZero() && q.Path.IsZero() &&
		len(q.Headers) == 0 && len(q.Without) == 0 && len(q.Query) == 0 && q.Port == 0
}

// inHTTP is the HTTP status that stands for one of gRPC.
func inHTTP(code int) int {
	return mesh.OutcomeOf(context.Background(), &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {strconv.Itoa(code)}},
	}, nil).Status
}
