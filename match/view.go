package match

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A View is a request of which the parts are read when a condition first asks
// for them. Make one with [ViewOf] where several matchers look at one request;
// [Matcher.Match] makes its own. A View is used by one goroutine, and not after
// its request has changed.
type View struct {
	r       *http.Request
	path    string
	hasPath bool
}

// ViewOf is a view of r.
func ViewOf(r *http.Request) View { return View{r: r} }

// Request is the request that is viewed.
func (v *View) Request() *http.Request { return v.r }

// Method is the request's method; an empty one is GET, as for a client.
func (v *View) Method() string {
	if v.r.Method == "" {
		return http.MethodGet
	}
	return v.r.Method
}

// Scheme is "http" or "https": the one of the URL, or else that of the
// connection a handler's request came on.
func (v *View) Scheme() string {
	switch {
	case v.r.URL.Scheme != "":
		return v.r.URL.Scheme
	case v.r.TLS != nil:
		return "https"
	}
	return "http"
}

// Host is the authority as sent, with its port if it has one.
func (v *View) Host() string {
	if v.r.Host != "" {
		return v.r.Host
	}
	return v.r.URL.Host
}

// Hostname is the authority without its port. A port that is no number is none,
// and belongs to the name, as in Envoy.
func (v *View) Hostname() string {
	host, _ := splitPort(v.Host())
	return host
}

// Port is the port that the request is addressed to. For a handler it is the
// port of the server's address, if net/http's server tells it. Else it is the
// port of the URL or, for a handler, of the Host, or the scheme's.
func (v *View) Port() uint16 {
	host := v.r.URL.Host
	if served(v.r) {
		if a, ok := v.r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
			return uint16(a.Port)
		}
		host = v.Host()
	}
	if _, port := splitPort(host); port != "" {
		n, _ := strconv.ParseUint(port, 10, 16)
		return uint16(n)
	}
	if v.Scheme() == "https" {
		return 443
	}
	return 80
}

// Path is the path as sent: not decoded, without the query. A handler's request
// whose URL was changed on the way, as by [http.StripPrefix], has the path of its
// URL.
func (v *View) Path() string {
	if !v.hasPath {
		v.path, v.hasPath = pathOf(v.r), true
	}
	return v.path
}

// Target is the path with the query, if there is one. It is the one part that may
// have to be put together, for a request to be sent.
func (v *View) Target() string {
	path, query := v.Path(), v.r.URL.RawQuery
	if query == "" && !v.r.URL.ForceQuery {
		return path
	}
	if uri := v.r.RequestURI; len(uri) == len(path)+1+len(query) && strings.HasPrefix(uri, path) && strings.HasSuffix(uri, query) {
		return uri
	}
	return path + "?" + query
}

// Query is the value of the first query parameter of that name, as sent. A
// parameter without "=" has the value "".
func (v *View) Query(name string) (value string, ok bool) {
	for rest := v.r.URL.RawQuery; rest != ""; {
		var one string
		one, rest, _ = strings.Cut(rest, "&")
		key, value, _ := strings.Cut(one, "=")
		if key == name {
			return value, true
		}
	}
	return "", false
}

// served reports whether r was read by a server: net/http leaves RequestURI
// empty in requests to be sent.
func served(r *http.Request) bool { return r.RequestURI != "" }

func pathOf(r *http.Request) string {
	u := r.URL
	if served(r) {
		sent := sentPath(r.RequestURI)
		if sent == u.RawPath || u.RawPath == "" && sent == u.Path {
			return sent
		}
		// Either the URL was changed, or the path is spelt in a way that a URL does
		// not keep.
		if path, err := url.PathUnescape(sent); err == nil && path == u.Path {
			return sent
		}
	}
	switch {
	case strings.HasPrefix(u.Opaque, "//"): // absolute form, see [url.URL.RequestURI]
		return sentPath(u.Scheme + ":" + u.Opaque)
	case u.Opaque != "":
		return sentPath(u.Opaque)
	case u.Path == "":
		return "/"
	case u.RawPath == "" && plain(u.Path):
		return u.Path
	}
	return u.EscapedPath()
}

// sentPath is the path in a request target (RFC 9112 section 3.2): in origin
// form, such as "/a?b", in absolute form, such as "http://host/a", or "*". The
// authority of a CONNECT has none.
func sentPath(target string) string {
	target, _, _ = strings.Cut(target, "?")
	if target == "" || target[0] == '/' || target == "*" {
		return target
	}
	_, rest, absolute := strings.Cut(target, "://")
	if !absolute {
		return ""
	}
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return "/"
}

// plain reports whether path is sent as it is.
func plain(path string) bool {
	for i := range len(path) {
		if !unescaped[path[i]] {
			return false
		}
	}
	return true
}

// unescaped holds the bytes that [url.URL.EscapedPath] leaves alone in every
// place of a path.
var unescaped = func() (set [256]bool) {
	for c := range len(set) {
		set[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("-_.~$&+,/:;=@", byte(c)) >= 0
	}
	return set
}()

// splitPort takes the port off an authority, if it has one that is a number.
func splitPort(authority string) (host, port string) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || i+1 == len(authority) || authority[0] == '[' && authority[i-1] != ']' {
		return authority, ""
	}
	for _, c := range []byte(authority[i+1:]) {
		if c < '0' || c > '9' {
			return authority, ""
		}
	}
	return authority[:i], authority[i+1:]
}
