package authz

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/sidecarless/mesh/internal/peer"
	"github.com/sidecarless/mesh/match"
)

// facts are what is known of one request. They are read when first asked for.
type facts struct {
	r    *http.Request
	hops int

	path     string
	identity string
	read     struct{ identity, claims bool }
	claims   map[string]any
}

func (f *facts) principal() (string, bool) {
	if !f.read.identity {
		f.identity, f.read.identity = peer.Identity(f.r), true
	}
	return f.identity, f.identity != ""
}

// part is a part of the principal trust-domain/ns/namespace/sa/account.
func (f *facts) trustDomain() (string, bool) {
	id, ok := f.principal()
	td, _, _ := strings.Cut(id, "/")
	return td, ok
}

func (f *facts) namespace() (string, bool) {
	_, rest, ok := strings.Cut(f.identityOf(), "/ns/")
	if !ok {
		return "", false
	}
	ns, _, found := strings.Cut(rest, "/")
	return ns, found
}

func (f *facts) account() (string, bool) {
	_, rest, ok := strings.Cut(f.identityOf(), "/ns/")
	if !ok {
		return "", false
	}
	ns, sa, ok := strings.Cut(rest, "/sa/")
	if !ok {
		return "", false
	}
	return ns + "/" + sa, true
}

func (f *facts) identityOf() string {
	id, _ := f.principal()
	return id
}

func (f *facts) token() map[string]any {
	if !f.read.claims {
		f.claims, f.read.claims = peer.Claims(f.r.Context()), true
	}
	return f.claims
}

// requestPrincipal is issuer/subject, if the token has both.
func (f *facts) requestPrincipal() (string, bool) {
	iss, _ := f.token()["iss"].(string)
	sub, _ := f.token()["sub"].(string)
	return iss + "/" + sub, iss != "" && sub != ""
}

// peerAddr is the address at the other end of the connection.
func (f *facts) peerAddr() (netip.Addr, bool) { return addrOf(f.r.RemoteAddr) }

// remoteAddr is the client for which the request was made: the last address but
// hops that X-Forwarded-For has, or the peer's where it does not tell.
func (f *facts) remoteAddr() (netip.Addr, bool) {
	if values := f.r.Header["X-Forwarded-For"]; len(values) > 0 {
		all := strings.Split(strings.Join(values, ","), ",")
		if at := len(all) - 1 - f.hops; at >= 0 {
			if a, err := netip.ParseAddr(strings.TrimSpace(all[at])); err == nil {
				return a.Unmap(), true
			}
		}
	}
	return f.peerAddr()
}

func (f *facts) localAddr() (netip.AddrPort, bool) {
	a, ok := f.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.AddrPort{}, false
	}
	if tcp, ok := a.(*net.TCPAddr); ok {
		return netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap(), tcp.AddrPort().Port()), true
	}
	ap, err := netip.ParseAddrPort(a.String())
	return ap, err == nil
}

func addrOf(hostport string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(hostport); err == nil {
		return ap.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(hostport)
	return a.Unmap(), err == nil
}

// host is the authority as sent.
func (f *facts) host() (string, bool) { return f.r.Host, f.r.Host != "" }

// normalPath is the path as it is judged; ok is false for one that no proxy lets
// in.
func normalPath(r *http.Request, do match.PathOptions) (path string, ok bool) {
	v := match.ViewOf(r)
	return match.NormalizePath(v.Path(), do)
}
