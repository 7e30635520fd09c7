package timeout

import (
	"net/http"
	"strconv"
	"time"

	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/grpc"
)

// Announce is a client layer that tells the next hop how long this attempt may
// take: in x-envoy-expected-rq-timeout-ms, rounded up to a whole millisecond, and
// for gRPC in grpc-timeout as well. That is the shortest of what is left of the
// request's time, of the attempt's and of the caller's own deadline; without any
// of them nothing is said. Chain it inside of retries, so that each attempt tells
// its own time:
//
//	mesh.Chain(deadlines.Transport, retries.Transport, timeout.Announce)
func Announce(next http.RoundTripper) http.RoundTripper { return announcing{next} }

type announcing struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t announcing) RoundTrip(r *http.Request) (*http.Response, error) {
	left := remaining(r)
	if !left.set {
		return t.next.RoundTrip(r)
	}
	tell := toMillis(max(1, left.Duration))
	r = flow.OwnHeader(r)
	r.Header[expectedHeader] = []string{strconv.FormatInt(tell.Milliseconds(), 10)}
	if grpc.Is(r.Header) {
		// Without [Config.GRPC] the caller's own time may be the shorter one.
		if has, ok := grpcTimeout(r); !ok || has == 0 || tell <= has {
			r.Header[grpcHeader] = []string{formatGRPC(tell)}
		}
	}
	return t.next.RoundTrip(r)
}

// remaining is how long this attempt of r may take, from its start: the time that
// layers have needed since then is not worth telling.
func remaining(r *http.Request) (left bound) {
	try := flow.TryOf(r)
	start := time.Now()
	if try != nil {
		start = try.Start()
	}
	if deadline, ok := r.Context().Deadline(); ok {
		left = left.atMost(deadline.Sub(start))
	}
	if try == nil {
		return left
	}
	if try.Told != nil && try.Told.Bounded != 0 {
		left = left.atMost(try.Told.Bounded - try.Began)
	}
	// While the request's body has not ended its time has not begun.
	if total := try.Flow.Total; total > 0 {
		left = left.atMost(total)
	}
	return left
}
