package fault

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sidecarless/mesh"
)

// Envoy's headers, in the form in which net/http keeps them.
const (
	headerDelay = "X-Envoy-Fault-Delay-Request"
	headerAbort = "X-Envoy-Fault-Abort-Request"
	headerGRPC  = "X-Envoy-Fault-Abort-Grpc-Request"
	headerDrip  = "X-Envoy-Fault-Throughput-Response"
	percentage  = "-Percentage"
)

// decide adds the faults that the request asks for.
func (a *Asked) decide(d *Decision, h http.Header, draw uint64) {
	if a.Drip != 0 {
		if kib, ok := number(h, headerDrip); ok && kib > 0 && a.hit(a.Drip, h, headerDrip+percentage, draw^drawDrip) {
			d.Rate = min(kib, maxRate>>10) << 10
		}
	}
	if a.Delay != 0 {
		if ms, ok := number(h, headerDelay); ok && ms > 0 && a.hit(a.Delay, h, headerDelay+percentage, draw^drawDelay) {
			d.Delay = a.MaxDelay
			if ms < a.MaxDelay.Milliseconds() {
				d.Delay = time.Duration(ms) * time.Millisecond
			}
		}
	}
	if a.Abort != 0 {
		if status, ok := number(h, headerAbort); ok && status >= 200 && status <= 599 {
			if a.hit(a.Abort, h, headerAbort+percentage, draw^drawAbort) {
				d.Status = int(status)
			}
		} else if code, ok := number(h, headerGRPC); ok && code <= maxCode {
			// Envoy answers others than gRPC callers with 200 here, and any code does.
			if a.hit(a.Abort, h, headerGRPC+percentage, draw^drawAbort) {
				d.Status, d.GRPC = http.StatusOK, int(code)
			}
		}
	}
}

// maxCode bounds the gRPC status that a header may name; those beyond 16 have no
// meaning, and clients show them as they are.
const maxCode = 1 << 31

// hit draws with the share that a header may have lowered.
func (a *Asked) hit(share mesh.Fraction, h http.Header, name string, draw uint64) bool {
	if n, ok := number(h, name); ok && n < int64(mesh.Always) {
		share = mesh.Fraction(min(uint64(n)*uint64(a.Unit), uint64(share)))
	}
	return share.Hit(mix(draw))
}

// number reads a header that is a decimal number.
func number(h http.Header, name string) (int64, bool) {
	lines := h[name]
	if len(lines) == 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(lines[0]), 10, 63)
	return int64(n), err == nil
}
