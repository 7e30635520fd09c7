package security

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/match"
)

// text is a value as most fields have it: a star alone is any, at an end it is any
// rest, and elsewhere it is a star. With a star at both ends the first one counts.
func text(v string) match.Value {
	switch {
	case v == "*":
		return match.Present()
	case strings.HasPrefix(v, "*"):
		return match.Suffix(v[1:])
	case strings.HasSuffix(v, "*"):
		return match.Prefix(v[:len(v)-1])
	}
	return match.Exact(v)
}

// filled is text where an empty value is none.
func filled(v string) match.Value {
	if v == "*" {
		return match.Regex(".+")
	}
	return text(v)
}

// namespace is a name in which every star is any rest.
func namespace(v string) match.Value {
	if !strings.Contains(v, "*") {
		return match.Exact(v)
	}
	parts := strings.Split(v, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return match.Regex(strings.Join(parts, ".*"))
}

// path is a text or a template.
func path(v string) match.Value {
	if strings.Contains(v, "{*}") || strings.Contains(v, "{**}") {
		return match.Template(v)
	}
	return text(v)
}

// requestPrincipal is issuer/subject. The last slash stands between them: an
// issuer may be a URL.
func requestPrincipal(v string) match.Value {
	if i := strings.LastIndexByte(v, '/'); i >= 0 {
		v = authz.RequestPrincipal(v[:i], v[i+1:])
	}
	return text(v)
}

// set makes values of two lists.
func set(value func(string) match.Value, in, notIn []string) authz.Set {
	return authz.Set{In: values(value, in), NotIn: values(value, notIn)}
}

func values(value func(string) match.Value, list []string) []match.Value {
	var all []match.Value
	for _, v := range list {
		all = append(all, value(v))
	}
	return all
}

// nets makes ranges of addresses. What is none becomes a range that authz refuses.
func nets(in, notIn []string) authz.Nets {
	return authz.Nets{In: prefixes(in), NotIn: prefixes(notIn)}
}

func prefixes(list []string) []netip.Prefix {
	var all []netip.Prefix
	for _, v := range list {
		p, err := netip.ParsePrefix(v)
		if a, bad := netip.ParseAddr(v); err != nil && bad == nil {
			p = netip.PrefixFrom(a.WithZone(""), a.BitLen())
		}
		all = append(all, p)
	}
	return all
}

// numbers makes ports of what the admission check found to be ports.
func numbers(list []string) []uint16 {
	var all []uint16
	for _, v := range list {
		n, _ := strconv.ParseUint(v, 10, 16)
		all = append(all, uint16(n))
	}
	return all
}

// digits is a port as text, without zeros before it.
func digits(v string) match.Value {
	if n, err := strconv.ParseUint(v, 10, 16); err == nil {
		v = strconv.FormatUint(n, 10)
	}
	return match.Exact(v)
}

// domains are the trust domains of the mesh, its own first.
type domains []string

// defaultDomain in a policy stands for the mesh's own trust domain, whatever that
// is called.
const defaultDomain = "cluster.local"

func (d domains) has(td string) bool { return td == defaultDomain || slices.Contains(d, td) }

// principals are the names with one for each trust domain in place of one of the
// mesh's. Those that are not of the five parts of a workload's stay.
func (d domains) principals(names []string) []string {
	var all []string
	for _, name := range names {
		td, rest, _ := strings.Cut(name, "/")
		if strings.Count(rest, "/") != 3 || !d.has(td) {
			all = append(all, name)
			continue
		}
		for _, own := range d {
			all = append(all, own+"/"+rest)
		}
	}
	return all
}

// expand are trust domains with all of the mesh's in place of one of them.
func (d domains) expand(names []string) []string {
	var all []string
	for _, name := range names {
		if d.has(name) {
			all = append(all, d...)
		} else {
			all = append(all, name)
		}
	}
	return all
}
