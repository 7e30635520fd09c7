package istio

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// A Passage says what becomes of a request at a gateway, and why: which server of
// which Gateway is for it, whether policies let it in, and what the rules of
// VirtualServices do with it. Its String is for people; as JSON it is for programs.
type Passage struct {
	// Server is the source of the server of a Gateway, the first of its port where
	// several share it; empty if none is for the request. Passed are the others.
	Server string           `json:"server,omitempty"`
	Passed []PassedResource `json:"passedServers,omitempty"`

	Admission Admission   `json:"admission"`
	Routing   Explanation `json:"routing"` // of a request that is let in
}

// Explain says what the gateway would do with r, as things are now, without doing
// it. The port is the one for which [Gateway.ServeHTTP] would take it, and whether it
// came over TLS, and under which name, stands in r.TLS.
func (g *Gateway) Explain(r *http.Request) Passage {
	port := g.port(r)
	p := Passage{Admission: g.server.Explain(r)}
	p.Admission.Port = port
	r = r.WithContext(r.Context())
	u := *r.URL
	if r.Host == "" {
		r.Host = u.Host
	}
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	u.Scheme, u.Host = "http", net.JoinHostPort(strings.Trim(name, "[]"), strconv.Itoa(int(port)))
	if r.TLS != nil {
		u.Scheme = "https"
	}
	r.URL = &u
	d, err := g.mesh.Explain(r)
	if err != nil {
		p.Routing.Refused = err.Error()
		return p
	}
	for _, other := range d.Others {
		p.Passed = append(p.Passed, PassedResource{other.Server.Source, other.Reason})
	}
	if d.Server != nil {
		p.Server = d.Server.Source
	}
	p.Routing = explanationOf(d, r)
	if p.Routing.Rule != nil {
		return p
	}
	switch {
	case d.Malformed != "":
		p.Routing.Refused = "400: " + d.Malformed
	case d.Server == nil:
		p.Routing.Refused = "no server of a Gateway is for it"
	case d.HTTPS:
		p.Routing.Refused = "301 to https: the server says httpsRedirect"
	case d.Host != nil:
		p.Routing.Refused = "404: no rule of the host matches"
	default:
		p.Routing.Refused = "404: no VirtualService of the server is for the host"
	}
	return p
}

// String is the explanation as text for a terminal, over several lines.
func (p Passage) String() string {
	var b strings.Builder
	routing := p.Routing.String()
	head, rest, _ := strings.Cut(routing, "\n")
	b.WriteString(head + "\n")
	for _, other := range p.Passed {
		fmt.Fprintf(&b, "\nnot server (%s)\n    %s\n", other.Source, other.Reason)
	}
	if p.Server != "" {
		fmt.Fprintf(&b, "\nserver (%s)\n", p.Server)
	}
	if len(p.Admission.Settings) > 0 {
		b.WriteByte('\n')
	}
	p.Admission.write(&b)
	b.WriteString(rest)
	return b.String()
}
