package authz

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/sidecarless/mesh/internal/peer"
	"github.com/sidecarless/mesh/match"
)

// facts are what is known of one request. Those that several tests may ask for
// are read once.
type facts struct {
	r     *http.Request
	hops  int
	path  string      // normalized
	reply http.Header // what a custom decision adds to the answer

	principal string
	token     map[string]any
	read      struct{ principal, token bool }
}

// text is an attribute of one text; ok is false where there is none.
func (f *facts) text(a attribute) (text string, ok bool) {
	switch a {
	case principal:
		text = f.identity()
	case namespace:
		_, text, _ = f.workload()
	case account:
		if _, ns, sa := f.workload(); ns != "" {
			text = ns + "/" + sa
		}
	case trustDomain:
		text, _, _ = strings.Cut(f.identity(), "/")
	case requestPrincipal:
		return f.requestPrincipal()
	case host:
		text = f.r.Host
	case method:
		text = f.r.Method
	case path:
		text = f.path
	case serverName:
		if f.r.TLS != nil {
			text = f.r.TLS.ServerName
		}
	}
	return text, text != ""
}

func (f *facts) identity() string {
	if !f.read.principal {
		f.principal, f.read.principal = peer.Identity(f.r), true
	}
	return f.principal
}

// workload takes a principal of the form trust-domain/ns/namespace/sa/account
// apart; all is empty for another one.
func (f *facts) workload() (td, ns, sa string) {
	td, rest, _ := strings.Cut(f.identity(), "/ns/")
	ns, sa, _ = strings.Cut(rest, "/sa/")
	if td == "" || ns == "" || sa == "" || strings.Contains(td, "/") || strings.Contains(ns, "/") || strings.Contains(sa, "/") {
		return "", "", ""
	}
	return td, ns, sa
}

func (f *facts) claims() map[string]any {
	if !f.read.token {
		f.token, f.read.token = peer.Claims(f.r.Context()), true
	}
	return f.token
}

func (f *facts) requestPrincipal() (string, bool) {
	iss, _ := f.claims()["iss"].(string)
	sub, _ := f.claims()["sub"].(string)
	if iss == "" || sub == "" || strings.Contains(iss, "\x00") || strings.Contains(sub, "\x00") {
		return "", false
	}
	return RequestPrincipal(iss, sub), true
}

// pseudo is a part of the request that Envoy has among the headers.
func (f *facts) pseudo(name string) (string, bool) {
	switch name {
	case ":method":
		return f.text(method)
	case ":path":
		if f.r.URL.RawQuery == "" && !f.r.URL.ForceQuery {
			return f.path, true
		}
		return f.path + "?" + f.r.URL.RawQuery, true
	case ":scheme":
		v := match.ViewOf(f.r)
		return v.Scheme(), true
	}
	return f.text(host)
}

// peerAddr is the address at the other end of the connection.
func (f *facts) peerAddr() (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(f.r.RemoteAddr)
	if err == nil {
		return plain(ap.Addr()), true
	}
	a, err := netip.ParseAddr(f.r.RemoteAddr)
	return plain(a), err == nil
}

// plain is an address as ranges hold it.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// remoteAddr is the address that the outermost of the trusted proxies saw, or the
// peer's where X-Forwarded-For does not tell.
func (f *facts) remoteAddr() (netip.Addr, bool) {
	if v, ok := fromEnd(f.r.Header["X-Forwarded-For"], f.hops); ok {
		if a, err := netip.ParseAddr(v); err == nil {
			return plain(a), true
		}
	}
	return f.peerAddr()
}

// fromEnd is the n-th value from the end of a header that is a list, 1 being the
// last; ok is false if there are fewer, or for n below 1.
func fromEnd(lines []string, n int) (value string, ok bool) {
	for i := len(lines) - 1; i >= 0 && n > 0; i-- {
		line, more := lines[i], true
		for more {
			at := strings.LastIndexByte(line, ',')
			value, more = line[at+1:], at >= 0
			if n--; n == 0 {
				return strings.Trim(value, " \t"), true
			}
			line = line[:max(at, 0)]
		}
	}
	return "", false
}

// localAddr is the address of this server.
func (f *facts) localAddr() (netip.AddrPort, bool) {
	a, ok := f.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.AddrPort{}, false
	}
	var ap netip.AddrPort
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap = tcp.AddrPort()
	} else {
		ap, _ = netip.ParseAddrPort(a.String())
	}
	return netip.AddrPortFrom(plain(ap.Addr()), ap.Port()), ap.IsValid()
}

// spaced reports whether a claim holds several words in one text (RFC 8693
// section 4.2 for scope).
func spaced(claim string) bool { return claim == "scope" || claim == "permission" }

// anyWord reports whether one of the words of s is among values.
func anyWord(s string, values *match.Strings) bool {
	for word := range strings.SplitSeq(s, " ") {
		if word != "" && values.Match(word) {
			return true
		}
	}
	return false
}
