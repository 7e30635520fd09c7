package istio

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// isLabel tells whether s is one part of a DNS name: letters of both cases,
// digits and inner dashes, at most 63.
func isLabel(s string) bool { return len(s) <= 63 && hasLabelForm(s) }

// hasLabelForm is isLabel for any length.
func hasLabelForm(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// isWildcardLabel also allows "*", "*foo" and "*-foo".
func isWildcardLabel(s string) bool {
	rest, wild := strings.CutPrefix(s, "*")
	if !wild {
		return isLabel(s)
	}
	return len(s) <= 63 && (rest == "" || isLabel(strings.TrimPrefix(rest, "-")))
}

// isIP tells whether s is an IP address.
func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// nameProblem says what is wrong with a DNS name, or nothing. A dot at the end
// is allowed.
func nameProblem(name string) string {
	switch {
	case name == "":
		return "must not be empty"
	case len(name) > 255:
		return "is longer than the 255 characters of a DNS name"
	}
	return labelsProblem(name)
}

func labelsProblem(name string) string {
	last := name[strings.LastIndexByte(name, '.')+1:]
	if _, err := strconv.Atoi(last); err == nil {
		if isIP(name) {
			return "must be a DNS name, not an address"
		}
		return fmt.Sprintf("is no DNS name: the last part, %q, must not be a number", last)
	}
	for rest, more := name, true; more; {
		var label string
		label, rest, more = strings.Cut(rest, ".")
		if label == "" && !more {
			return "" // the dot at the end
		}
		if !isLabel(label) {
			return labelProblem(name, label)
		}
	}
	return ""
}

// labelProblem explains what is wrong with one part of a name.
func labelProblem(name, label string) string {
	switch {
	case label == "":
		return "is no DNS name: there is nothing between two dots"
	case strings.Contains(name, "://"):
		return "must be a bare host name, without a scheme"
	case strings.Contains(label, ":"):
		return "must be a bare host name; the port is a setting of its own"
	case strings.Contains(label, "_"):
		return fmt.Sprintf("is no DNS name: no underscore is allowed (in %q)", label)
	case strings.Contains(label, "*"):
		return "may have a * only at the very beginning"
	case len(label) > 63:
		return fmt.Sprintf("is no DNS name: the part %q is longer than 63 characters", label)
	}
	return fmt.Sprintf("is no DNS name: %q must be letters, digits and inner dashes", label)
}

// hostProblem says what is wrong with a host: a DNS name that may begin with a
// wildcard, as "*", "*.example.com" and "*-a.example.com" do.
func hostProblem(host string) string {
	switch {
	case host == "":
		return "must not be empty"
	case len(host) > 255:
		return "is longer than the 255 characters of a DNS name"
	}
	first, rest, more := strings.Cut(host, ".")
	if !isWildcardLabel(first) {
		return labelProblem(host, first)
	}
	if !more || rest == "" {
		return ""
	}
	return labelsProblem(rest)
}

// isWild tells whether a host begins with a wildcard.
func isWild(host string) bool { return strings.HasPrefix(host, "*") }

// overlap tells whether some name fits both hosts. A wildcard stands for any
// beginning, even within a label: *foo.com takes in barfoo.com.
func overlap(a, b string) bool {
	switch {
	case isWild(a) && isWild(b):
		return strings.HasSuffix(a[1:], b[1:]) || strings.HasSuffix(b[1:], a[1:])
	case isWild(a):
		return strings.HasSuffix(b, a[1:])
	case isWild(b):
		return strings.HasSuffix(a, b[1:])
	}
	return a == b
}

// within tells whether every name that fits host fits pattern too.
func within(host, pattern string) bool {
	switch {
	case isWild(host) && isWild(pattern):
		return len(host) >= len(pattern) && strings.HasSuffix(host[1:], pattern[1:])
	case isWild(pattern):
		return strings.HasSuffix(host, pattern[1:])
	}
	return host == pattern
}

// partialWildcard tells of a wildcard that stands for less than whole labels.
func partialWildcard(host string) bool {
	return strings.Contains(host, "*") && len(host) != 1 && !strings.HasPrefix(host, "*.")
}

// isSubnet tells whether s is an IP address or a CIDR block.
func isSubnet(s string) bool {
	if strings.Count(s, "/") == 1 {
		_, err := netip.ParsePrefix(s)
		return err == nil
	}
	return isIP(s)
}

// host checks a host with what it may be.
func (c *checker) host(p *manifest.Path, host string) bool {
	if problem := hostProblem(host); problem != "" {
		c.refuse(p, host, "%s", problem)
		return false
	}
	return true
}

// port checks the number of a port.
func (c *checker) port(p *manifest.Path, number uint32) {
	if number < 1 || number > 65535 {
		c.refuse(p, number, "must be a port number from 1 to 65535")
	}
}
