package authz

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/sidecarless/mesh/match"
)

// An attribute is what a test looks at.
type attribute uint8

const (
	principal attribute = iota
	namespace
	account
	trustDomain
	requestPrincipal
	host
	method
	path
	serverName
	portText // of this server, in digits
	port
	header
	claim
	peerAddr
	remoteAddr
	localAddr
)

// A test asks whether an attribute is there and has one of some values, or
// whether it does not.
type test struct {
	attribute attribute
	name      []string // of a header, or the way to a claim
	not       bool

	texts *match.Strings
	nets  []netip.Prefix
	ports []uint16
}

func (t *test) holds(f *facts) bool { return t.fits(f) != t.not }

func (t *test) fits(f *facts) bool {
	switch t.attribute {
	case port:
		a, ok := f.localAddr()
		return ok && slices.Contains(t.ports, a.Port())
	case portText:
		a, ok := f.localAddr()
		return ok && t.texts.Match(strconv.Itoa(int(a.Port())))
	case peerAddr:
		a, ok := f.peerAddr()
		return ok && inAny(t.nets, a)
	case remoteAddr:
		a, ok := f.remoteAddr()
		return ok && inAny(t.nets, a)
	case localAddr:
		a, ok := f.localAddr()
		return ok && inAny(t.nets, a.Addr())
	case header:
		return t.headerFits(f)
	case claim:
		return t.claimFits(f.claims(), t.name)
	}
	v, ok := f.text(t.attribute)
	return ok && t.texts.Match(v)
}

func inAny(nets []netip.Prefix, a netip.Addr) bool {
	for _, n := range nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// headerFits looks at each line of a header by itself.
func (t *test) headerFits(f *facts) bool {
	name := t.name[0]
	if name == "Host" || name[0] == ':' {
		v, ok := f.pseudo(name)
		return ok && t.texts.Match(v)
	}
	return slices.ContainsFunc(f.r.Header[name], t.texts.Match)
}

// claimFits looks for a claim that is a text, or any text of a list. Numbers and
// other values fit nothing.
func (t *test) claimFits(claims map[string]any, way []string) bool {
	v, ok := claims[way[0]]
	if !ok {
		return false
	}
	if len(way) > 1 {
		inner, _ := v.(map[string]any)
		return t.claimFits(inner, way[1:])
	}
	switch v := v.(type) {
	case string:
		if len(t.name) == 1 && spaced(way[0]) {
			return anyWord(v, t.texts)
		}
		return t.texts.Match(v)
	case []string:
		return slices.ContainsFunc(v, t.texts.Match)
	case []any:
		return slices.ContainsFunc(v, func(e any) bool {
			s, ok := e.(string)
			return ok && t.texts.Match(s)
		})
	}
	return false
}

// tests must all hold.
type tests []test

func (t tests) hold(f *facts) bool {
	for i := range t {
		if !t[i].holds(f) {
			return false
		}
	}
	return true
}

// anyHold reports whether one of the alternatives holds; none given hold always.
func anyHold(alternatives []tests, f *facts) bool {
	for _, t := range alternatives {
		if t.hold(f) {
			return true
		}
	}
	return len(alternatives) == 0
}
