package forward

import (
	"io"
	"net/http"
	"strings"
)

// Envoy's limits of a request's headers.
const (
	maxHeaders     = 100
	maxHeaderBytes = 60 << 10
)

// refuse answers what Envoy's connection manager does not let in: methods that
// are not in capitals, targets that are no path, too many or too large
// headers. Paths are the client's business.
func refuse(w http.ResponseWriter, r *http.Request) bool {
	status, text := 0, ""
	switch {
	case !knownMethod(r.Method), r.RequestURI == "*", !r.ProtoAtLeast(1, 0), !isASCII(r.RequestURI):
		status, text = http.StatusBadRequest, "Bad Request"
	case !r.ProtoAtLeast(1, 1):
		status, text = http.StatusUpgradeRequired, "Upgrade Required"
	case tooLarge(r):
		status, text = http.StatusRequestHeaderFieldsTooLarge, "Request Header Fields Too Large"
	default:
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

// knownMethod reports whether a method is one that Envoy's parser may have: a
// token without small letters.
func knownMethod(m string) bool {
	return m != "" && m == strings.ToUpper(m)
}

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

// Door refuses what Envoy's connection manager does not let in, before layers that
// stand around a handler of [New].
func Door(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !refuse(w, r) {
			next.ServeHTTP(w, r)
		}
	})
}
