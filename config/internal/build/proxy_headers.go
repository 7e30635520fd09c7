package build

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/peer"
)

// callersWishes are request headers by which Envoy lets itself be steered by
// callers that it trusts. A sidecar of Istio trusts none and removes them.
var callersWishes = [...]string{
	"X-Envoy-Max-Retries",
	"X-Envoy-Retry-On",
	"X-Envoy-Retry-Grpc-On",
	"X-Envoy-Retriable-Status-Codes",
	"X-Envoy-Retriable-Header-Names",
	"X-Envoy-Upstream-Rq-Timeout-Ms",
	"X-Envoy-Upstream-Rq-Per-Try-Timeout-Ms",
	"X-Envoy-Upstream-Rq-Timeout-Alt-Response",
	"X-Envoy-Upstream-Alt-Stat-Name",
	"X-Envoy-Expected-Rq-Timeout-Ms",
	"X-Envoy-Force-Trace",
	"X-Envoy-Hedge-On-Per-Try-Timeout",
	"X-Envoy-Internal",
	"X-Envoy-Ip-Tags",
	"X-Envoy-Upstream-Stream-Duration-Ms",
}

// proxyHeaders does to headers what a sidecar does on its own.
type proxyHeaders struct {
	next    http.RoundTripper
	gateway bool // that says itself whose certificate a caller has
}

// RoundTrip implements http.RoundTripper.
func (p proxyHeaders) RoundTrip(r *http.Request) (*http.Response, error) {
	f, r := flow.Ensure(r)
	r = flow.OwnHeader(r)
	for _, name := range callersWishes {
		delete(r.Header, name)
	}
	if !p.gateway {
		delete(r.Header, peer.ForwardedCert) // a process has none for its own sidecar
	}
	if from := p.from(r); from != "" {
		f.Tell().Remote = from
	}
	if r.Header.Get("X-Request-Id") == "" {
		r.Header["X-Request-Id"] = []string{newUUID()}
	}
	if len(r.Header["X-Forwarded-Proto"]) == 0 {
		// How the caller speaks to this process, which is in plain text.
		r.Header["X-Forwarded-Proto"] = []string{"http"}
	}
	return p.next.RoundTrip(r)
}

// from is whom a sidecar takes a request to come from, or empty where that is the
// connection: the last address in X-Forwarded-For, and for a gateway the one that it
// tells of. The port is not known.
func (p proxyHeaders) from(r *http.Request) string {
	name := "X-Forwarded-For"
	if p.gateway {
		name = "X-Envoy-External-Address"
	}
	lines := r.Header[name]
	if len(lines) == 0 {
		return ""
	}
	last := lines[len(lines)-1]
	a, err := netip.ParseAddr(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]))
	if peer, _, _ := net.SplitHostPort(r.RemoteAddr); err != nil || a.String() == peer {
		return ""
	}
	return netip.AddrPortFrom(a, 0).String()
}

// attemptCount tells servers which attempt they see.
const attemptCount = "X-Envoy-Attempt-Count"

// firstAttempt and furtherAttempts number the attempts of a request. A sidecar does so
// before a rule changes headers, which can read the number or take it away, and again
// for each retry.
type (
	firstAttempt    struct{ next http.RoundTripper }
	furtherAttempts struct{ next http.RoundTripper }
)

// RoundTrip implements http.RoundTripper.
func (a firstAttempt) RoundTrip(r *http.Request) (*http.Response, error) {
	r = flow.OwnHeader(r)
	r.Header[attemptCount] = []string{"1"}
	return a.next.RoundTrip(r)
}

// RoundTrip implements http.RoundTripper.
func (a furtherAttempts) RoundTrip(r *http.Request) (*http.Response, error) {
	if try := flow.TryOf(r); try != nil && try.N > 1 {
		r = flow.OwnHeader(r)
		r.Header[attemptCount] = []string{strconv.Itoa(int(try.N))}
	}
	return a.next.RoundTrip(r)
}

// upgrades lets callers of a rule change to WebSocket and to nothing else, as a
// sidecar does.
type upgrades struct {
	next    http.RoundTripper
	cluster string // to note; empty for none
}

// RoundTrip implements http.RoundTripper.
func (u upgrades) RoundTrip(r *http.Request) (*http.Response, error) {
	if to := r.Header["Upgrade"]; len(to) > 0 && !strings.EqualFold(to[0], "websocket") {
		closeBody(r)
		if t := flow.TryOf(r); t != nil {
			t.Choice().Upstream = u.cluster
		}
		return nil, refused(http.StatusForbidden, "upgrade_failed")
	}
	return u.next.RoundTrip(r)
}

// timed tells how long a server took to answer. Rules may take that away again.
type timed struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t timed) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err != nil || mesh.ErrorOf(res) != nil {
		return res, err
	}
	if f := flow.Of(r); f != nil && f.Attempts() > 0 {
		took := time.Since(f.Start)
		if m := f.More; m != nil {
			took -= m.Delayed
		}
		res.Header["X-Envoy-Upstream-Service-Time"] = []string{strconv.FormatInt(took.Milliseconds(), 10)}
	}
	return res, nil
}

// newUUID is a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
