package outlier

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/lb"
)

// A watched is what a Detector knows of one host.
type watched struct {
	host *lb.Host

	// Failures in a row. Successes set them to zero, and mostly find them there.
	any5xx, gateway, local atomic.Int32
	// Requests of the interval.
	requests, successes atomic.Int64

	// Guarded by the Detector's mutex.
	ejected    bool
	since      time.Time     // of the ejection
	lasts      time.Duration // the ejection
	times      int           // ejections so far
	reason     Reason        // of the last one
	detail     string
	spared     Reason    // why it would have been ejected if that were allowed
	multiplier int       // how many times BaseEjection the next one will last, less one
	returned   time.Time // from the last ejection
}

// reset is for a host that returns.
func (w *watched) reset() {
	w.any5xx.Store(0)
	w.gateway.Store(0)
	w.local.Store(0)
}

// A Reason is why a host is ejected, in the words of Envoy's statistics.
type Reason string

// The reasons.
const (
	Consecutive5xx     Reason = "consecutive_5xx"
	ConsecutiveGateway Reason = "consecutive_gateway_failure"
	ConsecutiveLocal   Reason = "consecutive_local_origin_failure"
	LowSuccessRate     Reason = "success_rate"
	HighFailureShare   Reason = "failure_percentage"
)

// count takes in how an attempt ended and returns the reason to eject the host, if
// there is one now.
func (w *watched) count(c *Config, o mesh.Outcome) Reason {
	if o.Err == nil {
		return w.answered(c, o.Status)
	}
	if o.Status > 0 && o.Status < http.StatusInternalServerError {
		// It answered, and then the body was cut: Envoy counts both.
		w.answered(c, o.Status)
		o.Status = http.StatusServiceUnavailable
	}
	if !c.Split {
		return w.answered(c, o.Status)
	}
	if !mesh.FlagOf(o.Err).Has(mesh.ConnectFailure) {
		w.local.Store(0) // there was a connection
	}
	if reached(&w.local, c.ConsecutiveLocal) {
		return ConsecutiveLocal
	}
	return ""
}

// answered counts a status. Gateway failures are judged first.
func (w *watched) answered(c *Config, status int) (why Reason) {
	if c.rates() {
		w.requests.Add(1)
		if status < http.StatusInternalServerError {
			w.successes.Add(1)
		}
	}
	if c.Split && w.local.Load() != 0 {
		w.local.Store(0)
	}
	if status < http.StatusInternalServerError {
		clear0(&w.any5xx)
		clear0(&w.gateway)
		return ""
	}
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if reached(&w.gateway, c.ConsecutiveGateway) {
			why = ConsecutiveGateway
		}
	default:
		clear0(&w.gateway)
	}
	if reached(&w.any5xx, c.Consecutive5xx) && why == "" {
		why = Consecutive5xx
	}
	return why
}

// reached counts one more failure, and begins anew when there are as many as
// needed. Zero is off.
func reached(n *atomic.Int32, needed int) bool {
	if needed == 0 || n.Add(1) < int32(needed) {
		return false
	}
	n.Store(0)
	return true
}

// clear0 avoids writing what is zero already: hosts that are well write nothing.
func clear0(n *atomic.Int32) {
	if n.Load() != 0 {
		n.Store(0)
	}
}
