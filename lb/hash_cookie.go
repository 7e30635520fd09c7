package lb

import (
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/sidecarless/mesh/internal/check"
)

// A HashCookie is a cookie that keeps its client on one endpoint. The first
// cookie of its name counts, without quotes around the value; an empty one counts
// as none.
type HashCookie struct {
	Name string // upper and lower case differ
	// Issue makes a cookie for a request that has none: the request goes by its
	// value, and the answer brings it to the client. Without it such a request has
	// no hash from this source.
	Issue bool

	// How long an issued cookie lasts, cut to seconds; zero is as long as the
	// client's session.
	MaxAge time.Duration
	Path   string // of an issued cookie; empty sends none
	// Attributes are further ones of an issued cookie, such as SameSite. HttpOnly
	// is always there.
	Attributes []CookieAttribute
}

// A CookieAttribute is sent as "Name=Value", or "Name" if Value is empty.
type CookieAttribute struct{ Name, Value string }

// cookieHash hashes the value of a cookie.
type cookieHash struct {
	name       string
	issue      bool
	attributes string // of an issued cookie: what stands behind the value
}

func newCookieHash(c HashCookie, l *check.List) hashReader {
	if !validToken(c.Name) {
		l.Add("Cookie.Name", c.Name, "is no name of a cookie")
	}
	l.NotNegative("Cookie.MaxAge", c.MaxAge)
	if !validAttribute(c.Path) {
		l.Add("Cookie.Path", c.Path, "must not have semicolons or control characters")
	}
	var b strings.Builder
	if c.MaxAge > 0 {
		fmt.Fprintf(&b, "; Max-Age=%d", c.MaxAge/time.Second)
	}
	if c.Path != "" {
		b.WriteString("; Path=" + c.Path)
	}
	for i, a := range c.Attributes {
		field := fmt.Sprintf("Cookie.Attributes[%d]", i)
		if !validToken(a.Name) {
			l.Add(field+".Name", a.Name, "is no name of an attribute")
		}
		if !validAttribute(a.Value) {
			l.Add(field+".Value", a.Value, "must not have semicolons or control characters")
		}
		b.WriteString("; " + a.Name)
		if a.Value != "" {
			b.WriteString("=" + a.Value)
		}
	}
	b.WriteString("; HttpOnly")
	return &cookieHash{c.Name, c.Issue, b.String()}
}

func (c *cookieHash) read(r *http.Request, draw uint64) (uint64, bool, string) {
	if v := cookieValue(r.Header["Cookie"], c.name); v != "" {
		return xxhash.Sum64String(v), true, ""
	}
	if !c.issue {
		return 0, false, ""
	}
	value := clientID(r, draw)
	return xxhash.Sum64String(value), true, c.name + `="` + value + `"` + c.attributes
}

// clientID is the value of an issued cookie: 16 hexadecimal digits.
func clientID(r *http.Request, draw uint64) string {
	if r.RemoteAddr != "" {
		addrs := r.RemoteAddr
		if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
			addrs += local.String()
		}
		draw = xxhash.Sum64String(addrs)
	}
	digits := strconv.FormatUint(draw, 16)
	return "0000000000000000"[len(digits):] + digits
}

// cookieValue is the value of the first cookie of a name. Envoy allows spaces
// before the name only, and drops quotes in pairs.
func cookieValue(lines []string, name string) string {
	for _, line := range lines {
		for line = textproto.TrimString(line); line != ""; {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			key, value, ok := strings.Cut(strings.TrimLeft(pair, " "), "=")
			if !ok || key != name {
				continue
			}
			if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
				value = value[1 : n-1]
			}
			return value
		}
	}
	return ""
}

// validAttribute reports whether s can stand as a value in a Set-Cookie header.
func validAttribute(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f || c == ';' })
}
