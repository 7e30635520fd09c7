package console

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// protect says what a browser may do with any answer: load what this server has,
// and nothing else.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "+
		"img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	// Without any referrer browsers would not say either where a form comes from.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept")
}

// refuses says why a request gets no answer, or nothing.
func (c *Console) refuses(r *http.Request) string {
	if c.config.Remote != nil {
		if !c.config.Remote(r) {
			return "this page is not for everybody"
		}
	} else if !isLoopback(r.RemoteAddr) || r.Header["X-Forwarded-For"] != nil || r.Header["Forwarded"] != nil {
		// What a proxy on this machine hands on was asked somewhere else.
		return "this page is for this machine only, see console.Config.Remote"
	}
	if !c.knowsHost(r.Host) {
		return "this page has no such host name, see console.Config.Hosts"
	}
	return ""
}

func isLoopback(addr string) bool {
	a, err := netip.ParseAddrPort(addr)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// localNames are the ends of names that nobody can register: a page of a stranger
// cannot be called by one, and so cannot make a browser take this one for its own
// by pointing its name here (DNS rebinding). RFC 6761, RFC 6762, RFC 8375, and
// ICANN's .internal.
var localNames = []string{".localhost", ".local", ".internal", ".home.arpa", ".test"}

// knowsHost reports whether a page may be asked for by a host name.
func (c *Console) knowsHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	switch {
	case host == "":
		return false
	case !strings.Contains(host, "."):
		return true
	case slices.ContainsFunc(localNames, func(end string) bool { return strings.HasSuffix(host, end) }):
		return true
	}
	return slices.ContainsFunc(c.config.Hosts, func(known string) bool { return strings.EqualFold(host, known) })
}

// refusesChange says why nothing is changed for a request, or nothing. A page of
// somebody else can make a browser send it, with whatever credentials the browser
// has for this one, but not from this origin and not with the token.
func (c *Console) refusesChange(r *http.Request) string {
	if c.config.Change == nil {
		return "nothing can be changed here, see console.Config.Change"
	}
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return err.Error()
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if _, host, _ := strings.Cut(origin, "://"); !strings.EqualFold(host, r.Host) {
			return "the request comes from a page of another origin"
		}
	}
	if subtle.ConstantTimeCompare([]byte(r.PostFormValue("token")), []byte(c.token)) != 1 {
		return "the token is missing or old: load the page again"
	}
	if !c.config.Change(r) {
		return "the change is not allowed"
	}
	return ""
}
