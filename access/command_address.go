package access

import (
	"cmp"
	"net"
	"net/http"
	"strings"
)

// addressOf is the command of that name among those that tell an address, or one
// part of it.
func addressOf(name string) (c command, known bool) {
	address, part := name, func(addr string) string { return addr }
	if whole, ok := strings.CutSuffix(name, "_ADDRESS_WITHOUT_PORT"); ok {
		address, part = whole+"_ADDRESS", hostPart
	} else if whole, ok := strings.CutSuffix(name, "_PORT"); ok {
		address, part, c.number = whole+"_ADDRESS", portPart, true
	}
	var read func(*Record) string
	switch address {
	case "DOWNSTREAM_REMOTE_ADDRESS":
		read = func(r *Record) string { return cmp.Or(r.Remote, r.Request.RemoteAddr) }
	case "DOWNSTREAM_DIRECT_REMOTE_ADDRESS":
		read = func(r *Record) string { return r.Request.RemoteAddr }
	case "DOWNSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_DIRECT_LOCAL_ADDRESS":
		read = localAddress
	case "UPSTREAM_REMOTE_ADDRESS":
		read = upstreamAddress
	default:
		return command{}, false
	}
	c.value = func(dst []byte, r *Record) []byte { return append(dst, part(read(r))...) }
	return c, true
}

func upstreamAddress(r *Record) string { return r.Endpoint }

// localAddress is the address that the caller connected to.
func localAddress(r *Record) string {
	if a, ok := r.Request.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a.String()
	}
	return ""
}

// hostPart is an address without its port.
func hostPart(addr string) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return host
}

// portPart is the port of an address, empty if it has none.
func portPart(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}
