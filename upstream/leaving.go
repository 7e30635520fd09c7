package upstream

import (
	"net/http"

	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/lb"
)

// leavingHeader is by which a server says, with any answer, that it is about to
// leave: Envoy's, which heeds it where it has active health checks, as we do,
// since only those bring the host back.
const leavingHeader = "X-Envoy-Immediate-Health-Check-Fail"

// heedLeaving is a layer around each attempt that takes a host out of use on its
// own word. Nothing has failed.
func heedLeaving(next http.RoundTripper) http.RoundTripper { return leaving{next} }

type leaving struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l leaving) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := l.next.RoundTrip(r)
	if err == nil && res.Header[leavingHeader] != nil {
		if try := flow.TryOf(r); try != nil {
			if host, ok := try.Host.(*lb.Host); ok {
				host.SetHealthy(false)
			}
		}
	}
	return res, err
}
