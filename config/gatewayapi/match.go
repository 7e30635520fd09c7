package gatewayapi

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

// A ranked is a description of requests with what decides between several that
// fit: rank holds the criteria of gRPC, which look at parts of the path.
type ranked struct {
	match.Request
	rank [3]int
}

// before is negative if a has precedence over b.
func (a *ranked) before(b *ranked) int {
	return cmp.Or(slices.Compare(b.rank[:], a.rank[:]), a.Compare(b.Request))
}

func httpRanked(m *httpMatch) ranked {
	q := match.Request{Path: match.Segments("/")}
	if m.Path != nil {
		q.Path = pathValue(or(m.Path.Type, typePrefix), or(m.Path.Value, "/"))
	}
	if m.Method != nil {
		q.Method = match.Exact(*m.Method)
	}
	q.Headers = headerFields(m.Headers)
	seen := map[string]bool{}
	for _, p := range m.QueryParams {
		if !seen[p.Name] {
			seen[p.Name] = true
			q.Query = append(q.Query, match.Field{Name: p.Name, Value: queryValue(p)})
		}
	}
	return ranked{Request: q}
}

func pathValue(kind, value string) match.Value {
	switch kind {
	case typeExact:
		return match.Exact(value)
	case typeRegex:
		return match.Regex(value)
	}
	return match.Segments(value)
}

// headerFields are conditions on headers. Of several on one name the first counts.
func headerFields(list []valueMatch) (fields []match.Field) {
	seen := map[string]bool{}
	for _, h := range list {
		if name := strings.ToLower(h.Name); !seen[name] {
			seen[name] = true
			value := match.Exact(h.Value)
			if or(h.Type, typeExact) == typeRegex {
				value = match.Regex(h.Value)
			}
			fields = append(fields, match.Field{Name: h.Name, Value: value})
		}
	}
	return fields
}

// queryValue compares a parameter that is to be exact decoded: characters that can
// come encoded may do so.
func queryValue(p valueMatch) match.Value {
	if or(p.Type, typeExact) == typeRegex {
		return match.Regex(p.Value)
	}
	plain := true
	var expr strings.Builder
	for i := range len(p.Value) {
		c := p.Value[i]
		if isUnreserved(c) {
			expr.WriteString(regexp.QuoteMeta(string(c)))
			continue
		}
		plain = false
		expr.WriteString("(?:" + fmt.Sprintf("(?i:%%%02x)", c))
		switch {
		case c == ' ':
			expr.WriteString(`|\+`)
		case c < 0x80 && c != '+' && c != '&' && c != '%':
			expr.WriteString("|" + regexp.QuoteMeta(string(c)))
		}
		expr.WriteString(")")
	}
	if plain || expr.Len() > maxExpression {
		return match.Exact(p.Value)
	}
	return match.Regex(expr.String())
}

// maxExpression is the longest expression that package match takes. A value whose
// expression would be longer is compared as sent.
const maxExpression = 16 << 10

// isUnreserved tells whether a character is never encoded (RFC 3986 section 2.3).
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func grpcRanked(m *grpcMatch) ranked {
	r := ranked{Request: match.Request{Headers: headerFields(m.Headers)}}
	if m.Method == nil {
		return r
	}
	service, method := or(m.Method.Service, ""), or(m.Method.Method, "")
	r.rank = [3]int{len(service), len(method), len(r.Headers)}
	switch {
	case or(m.Method.Type, typeExact) == typeRegex:
		r.Path = match.Regex("/" + anyOr(service) + "/" + anyOr(method))
	case method == "":
		r.Path = match.Segments("/" + service)
	case service == "":
		r.Path = match.Regex("/[^/]+/" + regexp.QuoteMeta(method))
	default:
		r.Path = match.Exact("/" + service + "/" + method)
	}
	return r
}

func anyOr(expr string) string {
	if expr == "" {
		return "[^/]+"
	}
	return "(?:" + expr + ")"
}

// A candidate is one match of a rule for one host.
type candidate struct {
	host  string
	match ranked
	rule  route.ClientRule // without hosts and matches
}

// byPrecedence makes an ordered table of candidates, given by age and place: the
// most specific host decides, then the match. Whoever asks for a host for which no
// rule fits comes to the rules of a less specific one, so each rule gets all hosts
// that its own covers.
func byPrecedence(all []candidate) []route.ClientRule {
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(moreSpecific(a.host, b.host), a.match.before(&b.match))
	})
	var hosts []string
	for _, c := range all {
		if !slices.Contains(hosts, c.host) {
			hosts = append(hosts, c.host)
		}
	}
	rules := make([]route.ClientRule, len(all))
	for i, c := range all {
		rules[i] = c.rule
		rules[i].Match = []match.Request{c.match.Request}
		for _, h := range hosts {
			if covers(c.host, h) {
				rules[i].Hosts = append(rules[i].Hosts, h)
			}
		}
	}
	return rules
}

// anyHost is the pattern for all hosts.
const anyHost = "*"

// moreSpecific is negative if a host comes before another: names before wildcards,
// then the longer one.
func moreSpecific(a, b string) int {
	wild := func(s string) int { return len(s) - len(strings.TrimPrefix(s, "*")) }
	return cmp.Or(cmp.Compare(wild(a), wild(b)), cmp.Compare(len(b), len(a)))
}

// covers reports whether every name that b stands for fits a.
func covers(a, b string) bool {
	if a == b || a == anyHost {
		return true
	}
	suffix, wild := strings.CutPrefix(a, "*")
	return wild && b != anyHost && strings.HasSuffix(strings.TrimPrefix(b, "*"), suffix)
}
