package match

import (
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/internal/check"
)

// A condition is one that a compiled [Request] consists of.
type condition struct {
	part    part
	name    string // of a header, in canonical form, of a query parameter, or the way to a claim
	without bool   // the header must not fit
	port    uint16
	value   Value // as given, for explanations
	test    test
}

type part uint8

const (
	partPort part = iota
	partMethod
	partScheme
	partHost
	partPath
	partTarget
	partHeader
	partClaim
	partQuery
)

// pseudo are the names by which a header condition can mean another part.
var pseudo = map[string]part{
	":method":    partMethod,
	":scheme":    partScheme,
	":authority": partHost,
	":path":      partTarget,
	"Host":       partHost,
}

// compileRequest lists q's conditions, expressions last, and reports what is
// wrong with them.
func compileRequest(q *Request, l *check.List) []condition {
	all := make([]condition, 0, 1+len(q.Headers)+len(q.Without)+len(q.Query))
	add := func(c condition, v Value, list string, i int) {
		var reason string
		c.value = v
		if c.test, reason = compile(v); reason != "" {
			l.Add(fieldPath(list, i, "Value"), shown(v.s), "%s", reason)
		}
		all = append(all, c)
	}
	if q.Port != 0 {
		all = append(all, condition{part: partPort, port: q.Port})
	}
	for _, p := range [...]struct {
		part  part
		field string
		value Value
	}{{partMethod, "Method", q.Method}, {partHost, "Host", q.Host}, {partPath, "Path", q.Path}, {partScheme, "Scheme", q.Scheme}} {
		if !p.value.IsZero() {
			add(condition{part: p.part}, p.value, p.field, -1)
		}
	}
	for _, list := range [...]struct {
		name    string
		fields  []Field
		without bool
	}{{"Headers", q.Headers, false}, {"Without", q.Without, true}} {
		for i, f := range list.fields {
			if !validHeaderName(f.Name) {
				l.Add(fieldPath(list.name, i, "Name"), f.Name, "is no name of a header")
			}
			c := condition{part: partHeader, name: canonical(f.Name), without: list.without}
			if p, ok := pseudo[c.name]; ok {
				c.part = p
			} else if path, ok := claimPath(f.Name); ok {
				c.part, c.name = partClaim, strings.Join(path, claimStep)
			}
			add(c, f.Value, list.name, i)
		}
	}
	for i, f := range q.Query {
		add(condition{part: partQuery, name: f.Name}, f.Value, "Query", i)
	}
	slices.SortStableFunc(all, func(a, b condition) int {
		return truth(a.test.kind == kindRegex) - truth(b.test.kind == kindRegex)
	})
	return all
}

// fieldPath is the path to a part of the i-th of a list of fields, or to what is
// no list if i is negative.
func fieldPath(list string, i int, part string) string {
	if i < 0 {
		return list
	}
	return list + "[" + strconv.Itoa(i) + "]." + part
}

// firstFailing is the index of the first condition that v does not meet, or -1.
func firstFailing(all []condition, v *View) int {
	for i := range all {
		if !all[i].holds(v) {
			return i
		}
	}
	return -1
}

func (c *condition) holds(v *View) bool {
	switch c.part {
	case partPort:
		return v.Port() == c.port
	case partHeader:
		return c.linesFit(v.r.Header[c.name])
	case partClaim:
		return c.claimFits(v)
	case partQuery:
		value, ok := v.Query(c.name)
		if !ok {
			return c.absenceFits()
		}
		return c.test.accepts(value)
	}
	return c.test.accepts(c.read(v)) != c.without
}

// read is the part of a request that is always there.
func (c *condition) read(v *View) string {
	switch c.part {
	case partMethod:
		return v.Method()
	case partScheme:
		return v.Scheme()
	case partHost:
		return v.Host()
	case partTarget:
		return v.Target()
	}
	return v.Path()
}

// linesFit judges a header. Each line is tried by itself, as Envoy does since
// 1.39.
func (c *condition) linesFit(lines []string) bool {
	if len(lines) == 0 {
		return c.absenceFits()
	}
	if c.without {
		for _, line := range lines {
			if c.test.accepts(textproto.TrimString(line)) {
				return false
			}
		}
		return true
	}
	for _, line := range lines {
		if c.test.hit(textproto.TrimString(line)) {
			return !c.test.not
		}
	}
	return c.test.not
}

// absenceFits judges a header or parameter that is not there.
func (c *condition) absenceFits() bool {
	if c.without {
		return c.test.kind == kindPresent || !c.test.accepts("")
	}
	return c.test.kind == kindPresent && c.test.not
}

// canonical is a header's name as net/http has it in its maps. Names that begin
// with a colon stay.
func canonical(name string) string {
	if strings.HasPrefix(name, ":") {
		return lower(name)
	}
	return textproto.CanonicalMIMEHeaderKey(name)
}

// validHeaderName reports whether name is a token (RFC 9110 section 5.6.2), a
// claim, or one of Envoy's names for other parts. ":status" is among these, and no
// request has it.
func validHeaderName(name string) bool {
	if strings.HasPrefix(name, "@") {
		_, ok := claimPath(name)
		return ok
	}
	if rest, ok := strings.CutPrefix(name, ":"); ok {
		_, known := pseudo[lower(name)]
		return known || lower(rest) == "status"
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return name != ""
}

// shown is a value as a problem shows it: not whole if it is very long.
func shown(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
