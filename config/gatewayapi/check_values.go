package gatewayapi

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// Types of matches.
const (
	typeExact  = "Exact"
	typePrefix = "PathPrefix"
	typeRegex  = "RegularExpression"
)

var (
	methods    = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}
	hostForm   = regexp.MustCompile(`^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	tokenForm  = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+\\-.^_\x60|~]+$")
	pathForm   = regexp.MustCompile(`^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$`)
	grpcForm   = regexp.MustCompile(`^[A-Za-z_][A-Za-z_0-9]*$`)
	serviceFmt = regexp.MustCompile(`^(?:[A-Za-z_][A-Za-z_0-9]*\.)*[A-Za-z_][A-Za-z_0-9]*$`)
)

// Limits of the API's schema.
const (
	maxItems    = 16
	maxPath     = 1024
	maxValue    = 4096
	maxRegex    = 1024 // of this package: expressions are compiled
	maxName     = 253
	maxListener = 64
)

// oneOf checks a value of an enumeration.
func (d *reader) oneOf(p *manifest.Path, value string, all ...string) bool {
	if slices.Contains(all, value) {
		return true
	}
	d.refuse(p, value, "must be %s%s", manifest.List(all, "or"), manifest.DidYouMean(manifest.Nearest(value, all)))
	return false
}

// size checks how many entries a list has.
func (d *reader) size(p *manifest.Path, n, most int) {
	if n > most {
		d.refuse(p, nil, "has %d entries, and at most %d are allowed", n, most)
	}
}

// required checks a text that must be there.
func (d *reader) required(p *manifest.Path, s string) bool {
	switch {
	case s == "":
		d.refuse(p, nil, "is missing")
	case len(s) > maxName:
		d.refuse(p, nil, "is %d bytes long, and at most %d are allowed", len(s), maxName)
	default:
		return true
	}
	return false
}

func (d *reader) portNumber(p *manifest.Path, port *int32) {
	if port != nil && (*port < 1 || *port > 65535) {
		d.refuse(p, *port, "must be a port number from 1 to 65535")
	}
}

// hostname checks a name of a host, or a wildcard for such names.
func (d *reader) hostname(p *manifest.Path, s string, wildcard bool) {
	_, ipErr := netip.ParseAddr(s)
	switch {
	case ipErr == nil:
		d.refuse(p, s, "must be a name and not an IP address")
	case !wildcard && strings.HasPrefix(s, "*"):
		d.refuse(p, s, "cannot be a wildcard here")
	case len(s) > maxName || !hostForm.MatchString(s):
		d.refuse(p, s, "must be a DNS name in lower case, such as shop.example.com or *.example.com")
	}
}

// duration checks a duration; it is zero when it is absent or wrong.
func (d *reader) duration(p *manifest.Path, s *string) time.Duration {
	if s == nil {
		return 0
	}
	v, err := parseDuration(*s)
	if err != nil {
		d.refuse(p, *s, "%v", err)
	}
	return v
}

// regex checks a regular expression.
func (d *reader) regex(p *manifest.Path, expr string) {
	if len(expr) > maxRegex {
		d.refuse(p, nil, "is %d bytes long, and at most %d are allowed", len(expr), maxRegex)
	} else if _, err := regexp.Compile(expr); err != nil {
		d.refuse(p, expr, "is no regular expression of RE2: %v", err)
	}
}

// token checks the name of a header.
func (d *reader) token(p *manifest.Path, name string) {
	if len(name) > 256 || !tokenForm.MatchString(name) {
		d.refuse(p, name, "cannot be the name of a header")
	}
}

// path checks a path that requests are compared with, or its beginning.
func (d *reader) path(p *manifest.Path, s string) {
	switch {
	case len(s) > maxPath:
		d.refuse(p, nil, "is %d bytes long, and at most %d are allowed", len(s), maxPath)
	case !strings.HasPrefix(s, "/"):
		d.refuse(p, s, "must begin with a slash")
	case strings.Contains(s, "//"), strings.Contains(s, "/./"), strings.Contains(s, "/../"), strings.HasSuffix(s, "/."), strings.HasSuffix(s, "/.."):
		d.refuse(p, s, "must not have empty segments, nor . and ..")
	case strings.Contains(strings.ToLower(s), "%2f"):
		d.refuse(p, s, "must not have an encoded slash")
	case !pathForm.MatchString(s):
		d.refuse(p, s, "holds what a path cannot hold: encode it as %%XX, without a query or #")
	}
}

// valueMatches checks conditions on headers or query parameters.
func (d *reader) valueMatches(p *manifest.Path, list []valueMatch, name func(*manifest.Path, string)) {
	d.size(p, len(list), maxItems)
	for i, m := range list {
		at := p.At(i)
		name(at.Field("name"), m.Name)
		if m.Value == "" || len(m.Value) > maxValue {
			d.refuse(at.Field("value"), nil, "must have 1 to %d bytes", maxValue)
		}
		if d.oneOf(at.Field("type"), or(m.Type, typeExact), typeExact, typeRegex) && or(m.Type, typeExact) == typeRegex {
			d.regex(at.Field("value"), m.Value)
		}
	}
}
