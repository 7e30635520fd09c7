package authz

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// A test is one thing that a request must fulfil.
type test func(*facts) bool

// tests must all hold.
type tests []test

func (t tests) hold(f *facts) bool {
	for _, one := range t {
		if !one(f) {
			return false
		}
	}
	return true
}

// A rule is a Rule made ready.
type rule struct {
	from, to []tests
	when     tests
}

func (r *rule) matches(f *facts) bool {
	return anyHolds(r.from, f) && anyHolds(r.to, f) && r.when.hold(f)
}

// anyHolds reports whether one of the alternatives holds; none given hold always.
func anyHolds(alternatives []tests, f *facts) bool {
	if len(alternatives) == 0 {
		return true
	}
	for _, t := range alternatives {
		if t.hold(f) {
			return true
		}
	}
	return false
}

func compileRule(l *check.List, field string, r *Rule) rule {
	var c rule
	for i := range r.From {
		c.from = append(c.from, compileSource(l, index(field+".From", i), &r.From[i]))
	}
	for i := range r.To {
		c.to = append(c.to, compileOperation(l, index(field+".To", i), &r.To[i]))
	}
	for i := range r.When {
		c.when = append(c.when, compileCondition(l, index(field+".When", i), &r.When[i])...)
	}
	return c
}

func index(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

func compileSource(l *check.List, field string, s *Source) (t tests) {
	t.strings(l, field+".Principals", s.Principals, (*facts).principal)
	t.strings(l, field+".Namespaces", s.Namespaces, (*facts).namespace)
	t.strings(l, field+".ServiceAccounts", s.ServiceAccounts, (*facts).account)
	t.strings(l, field+".TrustDomains", s.TrustDomains, (*facts).trustDomain)
	t.strings(l, field+".RequestPrincipals", s.RequestPrincipals, (*facts).requestPrincipal)
	t.nets(s.Peers, (*facts).peerAddr)
	t.nets(s.Remotes, (*facts).remoteAddr)
	return t
}

func compileOperation(l *check.List, field string, o *Operation) (t tests) {
	t.strings(l, field+".Methods", o.Methods, func(f *facts) (string, bool) { return f.r.Method, true })
	t.strings(l, field+".Paths", o.Paths, func(f *facts) (string, bool) { return f.path, true })
	t.strings(l, field+".Hosts", o.Hosts, (*facts).host)
	if p := o.Ports; len(p.In)+len(p.NotIn) > 0 {
		t = append(t, func(f *facts) bool {
			a, ok := f.localAddr()
			return (len(p.In) == 0 || ok && slices.Contains(p.In, a.Port())) && !(ok && slices.Contains(p.NotIn, a.Port()))
		})
	}
	return t
}

// strings adds the tests of a set for what read gives.
func (t *tests) strings(l *check.List, field string, s Set, read func(*facts) (string, bool)) {
	in, notIn := compileSet(l, field, s)
	if in != nil {
		*t = append(*t, func(f *facts) bool {
			v, ok := read(f)
			return ok && in.Match(v)
		})
	}
	if notIn != nil {
		*t = append(*t, func(f *facts) bool {
			v, ok := read(f)
			return !ok || !notIn.Match(v)
		})
	}
}

func compileSet(l *check.List, field string, s Set) (in, notIn *match.Strings) {
	make := func(name string, values []match.Value) *match.Strings {
		if len(values) == 0 {
			return nil
		}
		m, err := match.NewStrings(values...)
		l.Include(field+"."+name, err)
		return m
	}
	return make("In", s.In), make("NotIn", s.NotIn)
}

func (t *tests) nets(n Nets, read func(*facts) (netip.Addr, bool)) {
	if len(n.In) > 0 {
		*t = append(*t, func(f *facts) bool {
			a, ok := read(f)
			return ok && inAny(n.In, a)
		})
	}
	if len(n.NotIn) > 0 {
		*t = append(*t, func(f *facts) bool {
			a, ok := read(f)
			return !ok || !inAny(n.NotIn, a)
		})
	}
}

func inAny(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// compileCondition makes the tests of one attribute.
func compileCondition(l *check.List, field string, c *Condition) (t tests) {
	if len(c.Values.In)+len(c.Values.NotIn)+len(c.Nets.In)+len(c.Nets.NotIn) == 0 {
		l.Add(field, nil, "has no values")
	}
	name, args, bad := splitKey(c.Key)
	if bad {
		l.Add(field+".Key", c.Key, "has brackets that do not close")
		return nil
	}
	values := func(read func(*facts) (string, bool)) { t.strings(l, field+".Values", c.Values, read) }
	nets := func(read func(*facts) (netip.Addr, bool)) { t.nets(c.Nets, read) }
	switch {
	case name == "request.headers" && len(args) == 1:
		t.lists(l, field+".Values", c.Values, headerLines(args[0]))
	case name == "request.auth.claims" && len(args) > 0:
		t.lists(l, field+".Values", c.Values, func(f *facts) ([]string, bool) { return claim(f.token(), args) })
	case len(args) > 0:
		l.Add(field+".Key", c.Key, "is no attribute with a name in brackets")
	case name == "source.principal":
		values((*facts).principal)
	case name == "source.namespace":
		values((*facts).namespace)
	case name == "source.serviceAccount":
		values((*facts).account)
	case name == "source.trustDomain":
		values((*facts).trustDomain)
	case name == "request.auth.principal":
		values((*facts).requestPrincipal)
	case name == "request.auth.presenter":
		t.lists(l, field+".Values", c.Values, func(f *facts) ([]string, bool) { return claim(f.token(), []string{"azp"}) })
	case name == "request.auth.audiences":
		t.lists(l, field+".Values", c.Values, func(f *facts) ([]string, bool) { return claim(f.token(), []string{"aud"}) })
	case name == "connection.sni":
		values(func(f *facts) (string, bool) {
			if f.r.TLS == nil {
				return "", false
			}
			return f.r.TLS.ServerName, f.r.TLS.ServerName != ""
		})
	case name == "destination.port":
		values(func(f *facts) (string, bool) {
			a, ok := f.localAddr()
			return strconv.Itoa(int(a.Port())), ok
		})
	case name == "source.ip":
		nets((*facts).peerAddr)
	case name == "remote.ip":
		nets((*facts).remoteAddr)
	case name == "destination.ip":
		nets(func(f *facts) (netip.Addr, bool) {
			a, ok := f.localAddr()
			return a.Addr(), ok
		})
	default:
		l.Add(field+".Key", c.Key, "is no attribute of a request")
	}
	return t
}

// splitKey takes "request.auth.claims[a][b]" apart.
func splitKey(key string) (name string, args []string, bad bool) {
	name, rest, found := strings.Cut(key, "[")
	for found {
		var arg string
		if arg, rest, found = strings.Cut(rest, "]"); !found || arg == "" {
			return name, nil, true
		}
		args = append(args, arg)
		if rest == "" {
			return name, args, false
		}
		if rest[0] != '[' {
			return name, nil, true
		}
		rest = rest[1:]
	}
	return name, args, false
}
