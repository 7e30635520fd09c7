package forward

import (
	"io"
	"net"
	"net/http"
	"strings"
)

// Envoy's limits of a request's headers.
const (
	maxHeaders     = 100
	maxHeaderBytes = 60 << 10
)

// refuse answers what Envoy's connection manager does not let in: methods that its
// parser does not know, targets that are no path, tunnels, too many or too large
// headers. Paths are the client's business, and changes of the protocol.
func refuse(w http.ResponseWriter, r *http.Request) bool {
	status, text := 0, ""
	switch {
	case !knownMethod(r), !r.ProtoAtLeast(1, 0), !isASCII(r.RequestURI):
		status, text = http.StatusBadRequest, badRequest
	case !r.ProtoAtLeast(1, 1):
		status, text = http.StatusUpgradeRequired, "Upgrade Required"
	case tooLarge(r):
		status, text = http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large"
	case r.Method == "QUERY" && r.Header.Get("Content-Type") == "":
		status = http.StatusBadRequest
	default:
		status, text = targetProblem(r)
	}
	if status == 0 {
		return false
	}
	w.Header()["Content-Type"] = nil
	if text != "" {
		w.Header().Set("Content-Type", "text/plain")
	}
	if r.ProtoMajor == 1 && text != "" {
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(status)
	io.WriteString(w, text) // nobody to tell
	return true
}

const badRequest = "Bad Request"

// methods are those of HTTP/1.1 that Envoy's parser knows.
var methods = map[string]bool{
	"ACL": true, "BIND": true, "CHECKOUT": true, "CONNECT": true, "COPY": true, "DELETE": true, "GET": true,
	"HEAD": true, "LINK": true, "LOCK": true, "MERGE": true, "MKACTIVITY": true, "MKCALENDAR": true, "MKCOL": true,
	"MOVE": true, "MSEARCH": true, "NOTIFY": true, "OPTIONS": true, "PATCH": true, "POST": true, "PROPFIND": true,
	"PROPPATCH": true, "PURGE": true, "PUT": true, "QUERY": true, "REBIND": true, "REPORT": true, "SEARCH": true,
	"SOURCE": true, "SUBSCRIBE": true, "TRACE": true, "UNBIND": true, "UNLINK": true, "UNLOCK": true,
	"UNSUBSCRIBE": true,
}

// knownMethod reports whether a method is one that Envoy takes. HTTP/2 may have any.
func knownMethod(r *http.Request) bool { return r.ProtoMajor != 1 || methods[r.Method] }

// targetProblem is why the target of a request is none that a proxy has routes for,
// with the status to say so; zero if it may be one.
func targetProblem(r *http.Request) (status int, text string) {
	target := r.RequestURI
	switch {
	case r.ProtoMajor != 1:
		if !strings.HasPrefix(target, "/") { // a tunnel, a server as a whole, a URL
			return http.StatusNotFound, ""
		}
		return 0, ""
	case r.Method == http.MethodConnect:
		if _, port, err := net.SplitHostPort(target); err != nil || !isNumber(port) {
			return http.StatusBadRequest, badRequest
		}
		return http.StatusNotFound, ""
	case strings.HasPrefix(target, "/"):
		return 0, ""
	case target == "*" && r.Method == http.MethodOptions:
		return http.StatusNotFound, ""
	}
	_, port, hasPort := strings.Cut(r.URL.Host[strings.LastIndexByte(r.URL.Host, ']')+1:], ":")
	switch path := afterAuthority(target); {
	case r.URL.Host == "", r.URL.Scheme != "http" && r.URL.Scheme != "https", hasPort && !isNumber(port):
		return http.StatusBadRequest, badRequest
	case path != "" && path[0] != '/':
		return http.StatusNotFound, ""
	}
	return 0, ""
}

// afterAuthority is what follows scheme and authority in an absolute target.
func afterAuthority(target string) string {
	_, rest, _ := strings.Cut(target, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return rest[i:]
	}
	return ""
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// refusesUpgrade reports whether a request asks for another protocol than those that
// a sidecar lets through: WebSocket, and HTTP/2, which it does not change to.
func refusesUpgrade(r *http.Request) bool {
	to := upgradeOf(r)
	return to != nil && !strings.EqualFold(to[0], "websocket") && !isHTTP2(to)
}

// upgradeOf are the protocols that a request asks to change to; nil for none.
func upgradeOf(r *http.Request) []string {
	to := r.Header["Upgrade"]
	if len(to) == 0 || r.ProtoMajor != 1 {
		return nil
	}
	for _, line := range r.Header["Connection"] {
		for token := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "upgrade") {
				return to
			}
		}
	}
	return nil
}

func isHTTP2(upgrade []string) bool { return len(upgrade) > 0 && strings.EqualFold(upgrade[0], "h2c") }

func tooLarge(r *http.Request) bool {
	count, size := 0, len(r.Method)+len(r.RequestURI)+len(r.Host)
	for name, values := range r.Header {
		count += len(values)
		for _, v := range values {
			size += len(name) + len(v)
		}
	}
	// Host is a header, too.
	return count+1 > maxHeaders || size > maxHeaderBytes
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// Door refuses what Envoy's connection manager does not let in, and joins what it
// joins, before layers that stand around a handler of [New]. It lets callers change
// to WebSocket and to no other protocol.
func Door(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case refuse(w, r):
		case refusesUpgrade(r):
			w.WriteHeader(http.StatusForbidden)
		default:
			next.ServeHTTP(w, joined(r))
		}
	})
}
