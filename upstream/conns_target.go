package upstream

import (
	"net/http"
	"strings"
)

// target is where r is to be sent: to the address in its URL, over TLS if the
// upstream is configured so or the request asks for it. The certificate has to be
// for the name of the service, which is the Host of the request unless it is
// configured.
func (p *pool) target(r *http.Request) target {
	secure := r.URL.Scheme == "https"
	to := target{addr: r.URL.Host}
	if !hasPort(to.addr) {
		if to.addr += ":80"; secure {
			to.addr = r.URL.Host + ":443"
		}
	}
	if !secure && !p.dialer.always {
		return to
	}
	if to.name = p.dialer.tls.ServerName; to.name == "" {
		host := r.Host
		if host == "" {
			host = r.URL.Host
		}
		to.name = hostname(host)
	}
	return to
}

func hasPort(host string) bool {
	return strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']')
}

// hostname is host without its port and without the brackets of an IPv6 address.
func hostname(host string) string {
	if hasPort(host) {
		host = host[:strings.LastIndexByte(host, ':')]
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		return strings.TrimSuffix(inner, "]")
	}
	return host
}
