package istio

import (
	"errors"
	"maps"
	"net"
	"net/http"
	"strconv"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/peer"
	"github.com/sidecarless/mesh/mtls"
)

// door is what comes before a handler: mutual TLS, custom decisions, tokens,
// policies and limits. Who may not come in takes no token of others.
func (s *Server) door(next http.Handler) http.Handler {
	next = tokens{s, s.authorizer.Handler(&limited{server: s, next: next})}
	return door{s, s.custom.Handler(next), next}
}

// door asks who the caller is, as far as the connection tells.
type door struct {
	server *Server
	custom http.Handler // next behind custom decisions
	next   http.Handler
}

// ServeHTTP implements http.Handler.
func (d door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	port := portServed(r)
	if f := flow.Served(r); f != nil {
		// The names under which a sidecar logs it.
		f.Route, f.Upstream = "default", "inbound|"+strconv.Itoa(int(port))+"||"
	}
	now := d.server.now.Load()
	if now.modes.At(port) == mtls.Strict && peer.Identity(r) == "" {
		// It came past the listener, or before mutual TLS was demanded.
		w.Header().Set("Connection", "close")
		mesh.WriteError(w, r, &mesh.Error{
			Op: "istio", Flag: mesh.Denied, Status: http.StatusForbidden, Stage: mesh.NotSent, Details: "mutual_tls_required",
		})
		return
	}
	if now.asks {
		d.custom.ServeHTTP(w, r)
		return
	}
	d.next.ServeHTTP(w, r)
}

// tokens verifies those of a request.
type tokens struct {
	server *Server
	next   http.Handler
}

// ServeHTTP implements http.Handler.
func (t tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := r
	if verify := t.server.now.Load().verify; verify != nil {
		verified, err := verify(r)
		if err != nil {
			mesh.WriteError(w, r, unauthorized(err))
			return
		}
		in = verified
	}
	t.next.ServeHTTP(w, in)
	flow.HandBack(r, in)
}

// unauthorized is the reply to a bad token, unless the verifier says another.
func unauthorized(err error) error {
	var said *mesh.Error
	if errors.As(err, &said) {
		return err
	}
	return &mesh.Error{
		Op: "istio", Status: http.StatusUnauthorized, Stage: mesh.NotSent, Details: "jwt_authn_access_denied", Err: err,
		Header: http.Header{"Www-Authenticate": {"Bearer"}},
	}
}

// portServed is the port that a request's connection came to, zero if nothing
// tells.
func portServed(r *http.Request) uint16 {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return uint16(a.Port)
	}
	return 0
}

// served notes that a request came so far as to be tried.
type served struct{ next http.Handler }

// ServeHTTP implements http.Handler.
func (s served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f := flow.Served(r); f != nil {
		f.First.Begin()
	}
	s.next.ServeHTTP(w, r)
}

// anonymous takes away the header in which a caller in plain text could claim to
// have a certificate.
type anonymous struct{ next http.Handler }

// ServeHTTP implements http.Handler.
func (a anonymous) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const claim = "X-Forwarded-Client-Cert"
	in := r
	if r.Header[claim] != nil {
		in = r.WithContext(r.Context())
		in.Header = maps.Clone(r.Header)
		delete(in.Header, claim)
	}
	a.next.ServeHTTP(w, in)
	flow.HandBack(r, in)
}
