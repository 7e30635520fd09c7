package plan

import (
	"net/netip"
	"strings"
)

// fqdn resolves a host of a resource in namespace: a name without a dot is a
// service beside the resource (Istio's ResolveShortnameToFQDN).
func (v *view) fqdn(host, namespace string) string {
	host = strings.ToLower(host)
	if host == "" || host == "*" || strings.Contains(host, ".") {
		return host
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	return host + "." + namespace + ".svc." + v.domain
}

// domains are the names under which a service of the registry is asked for: its
// host, also with a dot at the end, and the shorter forms that a resolver of the
// cluster would complete.
func (v *view) domains(host string) []string {
	all := []string{host}
	if strings.HasPrefix(host, "*") {
		return all
	}
	all = append(all, host+".")
	short, ok := strings.CutSuffix(host, ".svc."+v.domain)
	if !ok {
		return all
	}
	all = append(all, short+".svc", short)
	if name, namespace, ok := strings.Cut(short, "."); ok && namespace == v.client.Namespace {
		all = append(all, name)
	}
	return all
}

// covers reports whether a host pattern takes in every name that host stands
// for: itself, or what a leading "*" leaves open.
func covers(pattern, host string) bool {
	if pattern == host || pattern == "*" {
		return true
	}
	suffix, wild := strings.CutPrefix(pattern, "*")
	return wild && strings.HasSuffix(strings.TrimPrefix(host, "*"), suffix) && len(host) > len(suffix)
}

// moreSpecific reports whether host pattern a is to be tried before b: names
// before wildcards, longer ones first, then by the alphabet.
func moreSpecific(a, b string) bool {
	wildA, wildB := strings.HasPrefix(a, "*"), strings.HasPrefix(b, "*")
	switch {
	case wildA != wildB:
		return wildB
	case len(a) != len(b):
		return len(a) > len(b)
	}
	return a < b
}
