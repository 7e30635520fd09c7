// Package rawpath sets the path of a URL byte for byte, as it goes over the
// wire. Reading one is [match.View.Path].
package rawpath

import (
	"net/url"
	"strings"
)

// Set makes a client send raw, a path with its escapes and without a query, as
// u's path.
func Set(u *url.URL, raw string) {
	if Serve(u, raw) {
		return
	}
	u.RawPath = ""
	if strings.HasPrefix(raw, "//") {
		// An opaque URL that begins with two slashes would be taken for a host. Such
		// a path is sent with its odd bytes escaped.
		u.Path = raw
		return
	}
	u.Opaque = raw
}

// Serve makes raw u's path for a handler: decoded in Path, as muxes read it, and
// as it is in RawPath, if that says more. It reports whether the two can be told from each other,
// which a path that is no valid encoding of anything can not.
func Serve(u *url.URL, raw string) bool {
	u.Opaque = ""
	path, err := url.PathUnescape(raw)
	if err != nil {
		u.Path, u.RawPath = raw, ""
		return false
	}
	u.Path, u.RawPath = path, ""
	if u.EscapedPath() == raw {
		return true
	}
	u.RawPath = raw
	return u.EscapedPath() == raw
}
