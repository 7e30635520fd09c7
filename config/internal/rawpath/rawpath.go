// Package rawpath reads and sets the path of a URL byte for byte, as it goes
// over the wire.
package rawpath

import (
	"net/url"
	"strings"
)

// Of is the path that u is sent with, without the query.
func Of(u *url.URL) string {
	switch {
	case u.Opaque == "":
		if p := u.EscapedPath(); p != "" {
			return p
		}
		return "/"
	case strings.HasPrefix(u.Opaque, "//"): // absolute form: the host stands before
		rest := u.Opaque[2:]
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
		return "/"
	}
	return u.Opaque
}

// Set makes u send raw.
func Set(u *url.URL, raw string) {
	path, err := url.PathUnescape(raw)
	if err == nil {
		u.Opaque, u.Path, u.RawPath = "", path, raw
		if u.EscapedPath() == raw {
			return
		}
	}
	u.RawPath = ""
	if strings.HasPrefix(raw, "//") {
		// An opaque URL that begins with two slashes would be taken for a host.
		u.Opaque, u.Path = "", raw
		return
	}
	u.Opaque, u.Path = raw, path
}
