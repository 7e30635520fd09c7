package timeout

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/expiry"
)

// Config says how long requests may take.
type Config struct {
	// Total is the time for a request: on a client from the end of its body to the
	// end of the answer, on a server from the start of the handler to its end. Zero
	// is no bound.
	Total time.Duration

	// GRPC lets the grpc-timeout header of a gRPC request (RFC "gRPC over HTTP2")
	// bound it as well: the shorter of it and Total counts. A value that is not well
	// formed is ignored. Istio does this on every route.
	GRPC bool

	// Honor says of which requests the wishes in Envoy's headers are obeyed. Nil is
	// none, and then the headers are left alone.
	//
	// On a client x-envoy-upstream-rq-timeout-ms replaces Total for the request; it
	// may be longer, and zero is no bound. Whether obeyed or not it is not sent on.
	//
	// On a server x-envoy-expected-rq-timeout-ms, which tells how long the hop
	// before will wait, bounds the request if that is shorter than Total.
	//
	// Anybody who can reach the service can send these headers: obey those who are
	// known, by their address or identity.
	Honor func(*http.Request) bool

	// MaxHonor is the longest time that a wish in a header can ask for; longer
	// wishes, and the wish for no bound, are cut to it. Zero sets no limit.
	MaxHonor time.Duration

	// Floor is the least time with which a server begins to work. A request that
	// comes with less left to it, by a header, is refused with 504. Zero refuses
	// only requests with no time left.
	Floor time.Duration
}

// A Timeout bounds requests. It is made by [New] and may be used by many
// goroutines while it is updated.
type Timeout struct {
	now atomic.Pointer[settings]
}

// settings are a Config, and the client's requests whose time is its Total.
type settings struct {
	Config
	under expiry.Queue
}

// New reports every problem of c, with fields such as "timeout.Total".
func New(c Config) (*Timeout, error) {
	t := new(Timeout)
	if err := t.Update(c); err != nil {
		return nil, err
	}
	return t, nil
}

// Update replaces the configuration for requests to come. With an error nothing
// has changed.
func (t *Timeout) Update(c Config) error {
	problems := check.List{Prefix: "timeout"}
	problems.NotNegative("Total", c.Total)
	problems.NotNegative("MaxHonor", c.MaxHonor)
	problems.NotNegative("Floor", c.Floor)
	if c.Total > 0 && c.Floor > c.Total {
		problems.Add("Floor", c.Floor, "is longer than Total, so that nothing would be served")
	}
	if c.MaxHonor > 0 && c.Honor == nil && !c.GRPC {
		problems.Add("MaxHonor", c.MaxHonor, "has no effect without Honor or GRPC")
	}
	if c.MaxHonor > 0 && c.Floor > c.MaxHonor {
		problems.Add("Floor", c.Floor, "is longer than MaxHonor, so that nothing would be served")
	}
	if err := problems.Err(); err != nil {
		return err
	}
	s := &settings{Config: c}
	s.under.After = c.Total
	t.now.Store(s)
	return nil
}

// overtime is what a sidecar says of a request of which the time is over.
func overtime() *mesh.Error {
	return &mesh.Error{
		Op:      "timeout",
		Flag:    mesh.UpstreamTimeout,
		Status:  http.StatusGatewayTimeout,
		Stage:   mesh.MaybeProcessed,
		Details: mesh.DetailsResponseTimeout,
	}
}

// tooLate refuses a request that comes with too little time to be worth while.
func tooLate(left, floor time.Duration) *mesh.Error {
	e := overtime()
	e.Stage = mesh.NotSent
	e.Err = fmt.Errorf("%v left for the request, and work is begun with %v", left, floor)
	return e
}

// A bound is the time for one request. Its zero value is none.
type bound struct {
	time.Duration
	set bool
}

// atMost is the shorter of b and d.
func (b bound) atMost(d time.Duration) bound {
	if b.set && b.Duration <= d {
		return b
	}
	return bound{d, true}
}

func (s *settings) total() bound { return bound{s.Total, s.Total > 0} }

// wish is what a header asks for, cut to MaxHonor.
func (s *settings) wish(d time.Duration) time.Duration {
	if s.MaxHonor > 0 {
		return min(d, s.MaxHonor)
	}
	return d
}

// endless reports whether r has no end that could be waited for: it asks for
// another protocol or a tunnel.
func endless(r *http.Request) bool { return changes(r) || r.Method == http.MethodConnect }

// changes reports whether r asks for another protocol.
func changes(r *http.Request) bool { return len(r.Header["Upgrade"]) > 0 }
