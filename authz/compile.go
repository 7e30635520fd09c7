package authz

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// A rule is a Rule made ready.
type rule struct {
	from, to []tests
	when     tests
}

func (r *rule) matches(f *facts) bool {
	return anyHold(r.from, f) && anyHold(r.to, f) && r.when.hold(f)
}

// A compiler makes tests, and collects what is wrong with their values.
type compiler struct{ check.List }

func index(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

func (c *compiler) rule(field string, r *Rule) rule {
	var made rule
	for i := range r.From {
		made.from = append(made.from, c.source(index(field+".From", i), &r.From[i]))
	}
	for i := range r.To {
		made.to = append(made.to, c.operation(index(field+".To", i), &r.To[i]))
	}
	for i := range r.When {
		made.when = append(made.when, c.condition(index(field+".When", i), &r.When[i])...)
	}
	return made
}

func (c *compiler) source(field string, s *Source) (t tests) {
	t = c.texts(t, field+".Principals", s.Principals, test{attribute: principal})
	t = c.texts(t, field+".Namespaces", s.Namespaces, test{attribute: namespace})
	t = c.texts(t, field+".ServiceAccounts", s.ServiceAccounts, test{attribute: account})
	t = c.texts(t, field+".TrustDomains", s.TrustDomains, test{attribute: trustDomain})
	t = c.texts(t, field+".RequestPrincipals", s.RequestPrincipals, test{attribute: requestPrincipal})
	t = c.nets(t, field+".Peers", s.Peers, peerAddr)
	return c.nets(t, field+".Remotes", s.Remotes, remoteAddr)
}

func (c *compiler) operation(field string, o *Operation) (t tests) {
	t = c.texts(t, field+".Methods", o.Methods, test{attribute: method})
	t = c.texts(t, field+".Paths", o.Paths, test{attribute: path})
	t = c.texts(t, field+".Hosts", Set{anyCase(o.Hosts.In), anyCase(o.Hosts.NotIn)}, test{attribute: host})
	if len(o.Ports.In) > 0 {
		t = append(t, test{attribute: port, ports: o.Ports.In})
	}
	if len(o.Ports.NotIn) > 0 {
		t = append(t, test{attribute: port, ports: o.Ports.NotIn, not: true})
	}
	return t
}

// anyCase makes values accept upper and lower case; expressions have their own
// way to.
func anyCase(values []match.Value) []match.Value {
	var folded []match.Value
	for _, v := range values {
		if _, err := match.NewStrings(v.Fold()); err == nil {
			v = v.Fold()
		}
		folded = append(folded, v)
	}
	return folded
}

// texts adds to t the tests like one for a set of texts.
func (c *compiler) texts(t tests, field string, s Set, one test) tests {
	if len(s.In) > 0 {
		one.texts = c.strings(field+".In", s.In)
		t = append(t, one)
	}
	if len(s.NotIn) > 0 {
		one.texts, one.not = c.strings(field+".NotIn", s.NotIn), true
		t = append(t, one)
	}
	return t
}

func (c *compiler) strings(field string, values []match.Value) *match.Strings {
	compiled, err := match.NewStrings(values...)
	c.Include(field, err)
	return compiled
}

// nets adds to t the tests of an address.
func (c *compiler) nets(t tests, field string, n Nets, a attribute) tests {
	if len(n.In) > 0 {
		t = append(t, test{attribute: a, nets: c.prefixes(field+".In", n.In)})
	}
	if len(n.NotIn) > 0 {
		t = append(t, test{attribute: a, nets: c.prefixes(field+".NotIn", n.NotIn), not: true})
	}
	return t
}

// mapped is how many bits stand before an address of IPv4 written as IPv6 (RFC 4291
// section 2.5.5.2).
const mapped = 96

// prefixes are nets as addresses are compared with them: those of IPv4 are not
// written as IPv6.
func (c *compiler) prefixes(field string, nets []netip.Prefix) []netip.Prefix {
	var plain []netip.Prefix
	for i, n := range nets {
		if !n.IsValid() {
			c.Add(index(field, i), nil, "is no range of addresses")
		}
		if n.Addr().Is4In6() && n.Bits() >= mapped {
			n = netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-mapped)
		}
		plain = append(plain, n)
	}
	return plain
}

// textKeys are the keys of conditions that stand for one text each.
var textKeys = map[string]attribute{
	"source.principal":       principal,
	"source.namespace":       namespace,
	"source.serviceAccount":  account,
	"source.trustDomain":     trustDomain,
	"request.auth.principal": requestPrincipal,
	"connection.sni":         serverName,
	"destination.port":       portText,
}

// addrKeys are the keys of conditions that stand for addresses.
var addrKeys = map[string]attribute{
	"source.ip":      peerAddr,
	"remote.ip":      remoteAddr,
	"destination.ip": localAddr,
}

// condition makes the tests of one further attribute.
func (c *compiler) condition(field string, d *Condition) tests {
	values, nets := len(d.Values.In)+len(d.Values.NotIn), len(d.Nets.In)+len(d.Nets.NotIn)
	if a, ok := addrKeys[d.Key]; ok {
		if nets == 0 || values > 0 {
			c.Add(field+".Nets", nil, "must say which addresses %s may be, and Values nothing", d.Key)
		}
		return c.nets(nil, field+".Nets", d.Nets, a)
	}
	if values == 0 || nets > 0 {
		c.Add(field+".Values", nil, "must say what %s may be, and Nets nothing", d.Key)
	}
	one, reason := testOf(d.Key)
	if reason != "" {
		c.Add(field+".Key", d.Key, "%s", reason)
		return nil
	}
	return c.texts(nil, field+".Values", d.Values, one)
}

// testOf is the test for a key of texts, without its values.
func testOf(key string) (t test, reason string) {
	if a, ok := textKeys[key]; ok {
		return test{attribute: a}, ""
	}
	switch key {
	case "request.auth.presenter":
		return test{attribute: claim, name: []string{"azp"}}, ""
	case "request.auth.audiences":
		return test{attribute: claim, name: []string{"aud"}}, ""
	}
	name, args, ok := splitKey(key)
	switch {
	case !ok:
		return t, "has brackets that do not close"
	case name == "request.auth.claims" && len(args) > 0:
		return test{attribute: claim, name: args}, ""
	case name == "request.headers" && len(args) == 1:
		if (match.Request{Headers: []match.Field{{Name: args[0]}}}).Validate() != nil {
			return t, "has a name that no header can have"
		}
		if args[0][0] == ':' {
			return test{attribute: header, name: []string{strings.ToLower(args[0])}}, ""
		}
		return test{attribute: header, name: []string{http.CanonicalHeaderKey(args[0])}}, ""
	}
	return t, "is no attribute of a request"
}

// splitKey takes "request.auth.claims[a][b]" apart.
func splitKey(key string) (name string, args []string, ok bool) {
	name, rest, found := strings.Cut(key, "[")
	for found {
		arg, after, closed := strings.Cut(rest, "]")
		if !closed || arg == "" {
			return name, nil, false
		}
		args = append(args, arg)
		if rest, found = strings.CutPrefix(after, "["); !found && after != "" {
			return name, nil, false
		}
	}
	return name, args, true
}
