package mirror

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// A replica is a copy of a request on its way.
type replica struct {
	m       *Mirror
	plan    *plan
	request *http.Request
	primary chan answer // the answer to the request itself, if answers are compared
}

// errTimeout is the cause of the end of a copy that took too long.
var errTimeout = &mesh.Error{Op: "mirror", Flag: mesh.UpstreamTimeout, Status: http.StatusGatewayTimeout, Details: mesh.DetailsResponseTimeout}

// newReplica copies all of a request but its body.
func newReplica(m *Mirror, p *plan, r *http.Request) *replica {
	c := &replica{m: m, plan: p}
	c.request = r.WithContext(flow.Detached(r.Context()))
	c.request.URL = target(p, r)
	c.request.Host = host(r)
	if p.Shadow {
		c.request.Host = shadow(c.request.Host)
	}
	c.request.Header = r.Header.Clone()
	if c.request.Header == nil {
		c.request.Header = make(http.Header)
	}
	// The body is there when the copy is sent, and nobody waits for being asked.
	delete(c.request.Header, "Expect")
	if p.From.IsValid() {
		told(c.request.Header, p.From.String())
	}
	c.request.Body, c.request.GetBody, c.request.Trailer = nil, nil, nil
	c.request.RequestURI = "" // a server's request has one, a client's must not
	//lint:ignore SA1019 a caller may still set it, and the end of the request is not that of the copy
	c.request.Cancel = nil
	if p.Compare != nil {
		c.primary = make(chan answer, 1)
	}
	return c
}

func host(r *http.Request) string {
	if r.Host != "" {
		return r.Host
	}
	return r.URL.Host
}

// target is the URL of a copy.
func target(p *plan, r *http.Request) *url.URL {
	u := *r.URL
	switch {
	case p.server != nil:
		u.Scheme, u.Host = p.server.Scheme, p.server.Host
	case u.Host == "": // a server's request has it in its Host
		u.Scheme, u.Host = "http", r.Host
		if r.TLS != nil {
			u.Scheme = "https"
		}
	}
	return &u
}

// shadow is the Host of a copy under Envoy: "svc:8080" becomes "svc-shadow:8080".
func shadow(host string) string {
	const suffix = "-shadow"
	port := strings.LastIndexByte(host, ':')
	if port < 0 || strings.HasSuffix(host, "]") { // an IPv6 address without a port ends so
		return host + suffix
	}
	return host[:port] + suffix + host[port:]
}

// told puts in who sends the copy.
func told(h http.Header, from string) {
	h["X-Envoy-Internal"] = []string{"true"}
	if before := h["X-Forwarded-For"]; len(before) > 0 {
		from = strings.Join(before, ",") + "," + from
	}
	h["X-Forwarded-For"] = []string{from}
}

// hopByHop are the headers that concern one connection (RFC 9110 section 7.6.1).
var hopByHop = [...]string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// forward takes out what a server's request has for its own connection.
func forward(h http.Header) {
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(h, textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name)))
		}
	}
	for _, name := range hopByHop {
		delete(h, name)
	}
}

// send sends the copy and reads its answer to the end, or to the bound on it.
func (c *replica) send() {
	ctx, cancel := context.WithTimeoutCause(c.request.Context(), c.plan.Timeout, error(errTimeout))
	defer cancel()
	defer context.AfterFunc(c.m.life, cancel)()
	c.m.counts.sent.Add(1)
	got, err := c.roundTrip(ctx)
	if err != nil {
		c.m.counts.failed.Add(1)
		if l := c.plan.Logger; l != nil {
			l.LogAttrs(ctx, slog.LevelDebug, "mirror: a copy failed", slog.String("mirror", c.plan.name), slog.Any("err", err))
		}
	}
	if c.primary != nil {
		c.compare(ctx, got)
	}
}

// roundTrip is the answer to the copy. A panic of what sends it is an error: the
// copy must not end the process in which the request went well.
func (c *replica) roundTrip(ctx context.Context) (got answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			got, err = answer{}, fmt.Errorf("mirror: panic: %v", p)
		}
	}()
	r := c.request.WithContext(ctx)
	if c.plan.Edit != nil {
		c.plan.Edit(r)
	}
	res, err := c.plan.To.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	got = answer{status: res.StatusCode, header: res.Header}
	if c.primary != nil && c.plan.compare.Body {
		got.body, err = io.ReadAll(io.LimitReader(res.Body, c.plan.compare.MaxBody+1))
		if got.cut = err != nil || int64(len(got.body)) > c.plan.compare.MaxBody; got.cut {
			return got, err
		}
	}
	_, err = io.Copy(io.Discard, res.Body)
	return got, err
}
