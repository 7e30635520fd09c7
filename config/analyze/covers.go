package analyze

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// covers tells for certain that every request that fits later fits earlier too.
// Where it cannot tell, it says no.
func covers(earlier, later *networking.HTTPMatchRequest) bool {
	return coversURI(earlier, later) &&
		coversValue(earlier.Method, later.Method) &&
		coversValue(earlier.Scheme, later.Scheme) &&
		coversValue(earlier.Authority, later.Authority) &&
		coversNames(earlier.Headers, later.Headers, strings.EqualFold) &&
		coversNames(earlier.QueryParams, later.QueryParams, func(a, b string) bool { return a == b }) &&
		excludesLess(earlier.WithoutHeaders, later.WithoutHeaders) &&
		(earlier.Port == 0 || earlier.Port == later.Port) &&
		coversClients(earlier, later)
}

// coversClients compares what is asked of the client.
func coversClients(earlier, later *networking.HTTPMatchRequest) bool {
	if len(earlier.Gateways) > 0 {
		if len(later.Gateways) == 0 {
			return false
		}
		return !slices.ContainsFunc(later.Gateways, func(g string) bool { return !slices.Contains(earlier.Gateways, g) })
	}
	if len(later.Gateways) > 0 {
		return len(earlier.SourceLabels) == 0 && earlier.SourceNamespace == ""
	}
	return selects(earlier.SourceLabels, later.SourceLabels) && (earlier.SourceNamespace == "" || earlier.SourceNamespace == later.SourceNamespace)
}

// coversURI compares paths, where a prefix / and no match at all take every one.
func coversURI(earlier, later *networking.HTTPMatchRequest) bool {
	if takesEveryPath(earlier.Uri) {
		return true
	}
	if earlier.IgnoreUriCase {
		if _, isRegex := earlier.Uri.GetMatchType().(*networking.StringMatch_Regex); isRegex {
			return !later.IgnoreUriCase && coversValue(earlier.Uri, later.Uri)
		}
		return coversValue(folded(earlier.Uri), folded(later.Uri))
	}
	return !later.IgnoreUriCase && coversValue(earlier.Uri, later.Uri)
}

// folded is an exact or prefix match in small letters.
func folded(m *networking.StringMatch) *networking.StringMatch {
	switch t := m.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		return &networking.StringMatch{MatchType: &networking.StringMatch_Exact{Exact: strings.ToLower(t.Exact)}}
	case *networking.StringMatch_Prefix:
		return &networking.StringMatch{MatchType: &networking.StringMatch_Prefix{Prefix: strings.ToLower(t.Prefix)}}
	}
	return m
}

func takesEveryPath(m *networking.StringMatch) bool {
	switch t := m.GetMatchType().(type) {
	case nil:
		return true
	case *networking.StringMatch_Prefix:
		return t.Prefix == "" || t.Prefix == "/"
	case *networking.StringMatch_Regex:
		prefix, ok := asPrefix(t.Regex)
		return ok && (prefix == "" || prefix == "/")
	}
	return false
}

// coversValue tells whether every value that fits later fits earlier. A match
// without a kind is of any value that is present.
func coversValue(earlier, later *networking.StringMatch) bool {
	if earlier.GetMatchType() == nil {
		return true
	}
	switch e := earlier.MatchType.(type) {
	case *networking.StringMatch_Exact:
		l, ok := later.GetMatchType().(*networking.StringMatch_Exact)
		return ok && l.Exact == e.Exact
	case *networking.StringMatch_Prefix:
		return beginsWith(later, e.Prefix)
	case *networking.StringMatch_Regex:
		if prefix, ok := asPrefix(e.Regex); ok && beginsWith(later, prefix) {
			return true
		}
		switch l := later.GetMatchType().(type) {
		case *networking.StringMatch_Regex:
			return l.Regex == e.Regex
		case *networking.StringMatch_Exact:
			re, err := regexp.Compile("^(?:" + e.Regex + ")$")
			return err == nil && re.MatchString(l.Exact)
		}
	}
	return false
}

// beginsWith tells whether every value that fits a match begins with prefix.
func beginsWith(m *networking.StringMatch, prefix string) bool {
	switch t := m.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		return strings.HasPrefix(t.Exact, prefix)
	case *networking.StringMatch_Prefix:
		return strings.HasPrefix(t.Prefix, prefix)
	case *networking.StringMatch_Regex:
		return strings.HasPrefix(literalStart(t.Regex), prefix)
	}
	return prefix == "" && m != nil
}

// literalStart is what every match of a whole regular expression begins with.
func literalStart(re string) string {
	compiled, err := regexp.Compile(strings.TrimPrefix(re, "^"))
	if err != nil || strings.Contains(re, "|") {
		return "" // an alternative outside brackets would begin with something else
	}
	prefix, _ := compiled.LiteralPrefix()
	return prefix
}

// asPrefix tells whether a regular expression is a literal and then .*, and
// which literal.
func asPrefix(re string) (string, bool) {
	parsed, err := syntax.Parse(re, syntax.Perl)
	if err != nil {
		return "", false
	}
	parsed = parsed.Simplify()
	parts := []*syntax.Regexp{parsed}
	if parsed.Op == syntax.OpConcat {
		parts = parsed.Sub
	}
	last := parts[len(parts)-1]
	if last.Op != syntax.OpStar || last.Sub[0].Op != syntax.OpAnyCharNotNL && last.Sub[0].Op != syntax.OpAnyChar {
		return "", false
	}
	switch len(parts) {
	case 1:
		return "", true
	case 2:
		if literal := parts[0]; literal.Op == syntax.OpLiteral && literal.Flags&syntax.FoldCase == 0 {
			return string(literal.Rune), true
		}
	}
	return "", false
}

// coversNames tells whether every condition of earlier follows from one of
// later.
func coversNames(earlier, later map[string]*networking.StringMatch, same func(a, b string) bool) bool {
	for name, e := range earlier {
		follows := false
		for other, l := range later {
			follows = follows || same(name, other) && coversValue(e, l)
		}
		if !follows {
			return false
		}
	}
	return true
}

// excludesLess tells whether later rules out all that earlier does.
func excludesLess(earlier, later map[string]*networking.StringMatch) bool {
	for name, e := range earlier {
		follows := false
		for other, l := range later {
			follows = follows || strings.EqualFold(name, other) && e.String() == l.String()
		}
		if !follows {
			return false
		}
	}
	return true
}
