package match

import (
	"net/http"
	"net/textproto"
	"strings"
)

// A Key reads from a request what requests are told apart by, such as the user's
// name: ok is false if the request does not have it. Reading allocates nothing.
type Key func(r *http.Request) (key string, ok bool)

// HeaderKey reads the first line of a header. ":method", ":path", ":authority"
// and ":scheme" are the parts of the request, and "Host" is ":authority".
func HeaderKey(name string) Key {
	name = canonical(name)
	if p, ok := pseudo[name]; ok {
		c := condition{part: p}
		return func(r *http.Request) (string, bool) {
			v := ViewOf(r)
			return c.read(&v), true
		}
	}
	return func(r *http.Request) (string, bool) {
		lines := r.Header[name]
		if len(lines) == 0 {
			return "", false
		}
		return textproto.TrimString(lines[0]), true
	}
}

// CookieKey reads the first cookie of that name, without the quotes around its
// value. The name is compared with regard to case.
func CookieKey(name string) Key {
	return func(r *http.Request) (string, bool) {
		for _, line := range r.Header["Cookie"] {
			for line != "" {
				var one string
				one, line, _ = strings.Cut(line, ";")
				key, value, ok := strings.Cut(textproto.TrimString(one), "=")
				if !ok || key != name {
					continue
				}
				if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
					value = value[1 : n-1]
				}
				return value, true
			}
		}
		return "", false
	}
}

// QueryKey reads the first query parameter of that name, as sent and not
// decoded. A parameter without "=" is there and empty.
func QueryKey(name string) Key {
	return func(r *http.Request) (string, bool) {
		v := ViewOf(r)
		return v.Query(name)
	}
}

// PeerKey reads the address of the client that a handler's request came from,
// without the port. A client's own request has none.
func PeerKey() Key { return peer }

func peer(r *http.Request) (string, bool) {
	host, _ := splitPort(r.RemoteAddr)
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return host, host != ""
}
