package analyze

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	networking "istio.io/api/networking/v1alpha3"
)

// A request is what matches are compared with here.
type request struct {
	path, method   string
	headers, query map[string]string
}

// fits is a match carried out in the plainest way.
func fits(m *networking.HTTPMatchRequest, r request) bool {
	path := m.Uri
	if m.IgnoreUriCase {
		path = folded(path)
		if _, regex := m.Uri.GetMatchType().(*networking.StringMatch_Regex); !regex {
			r.path = strings.ToLower(r.path)
		}
	}
	ok := path == nil || value(path, r.path)
	ok = ok && (m.Method == nil || value(m.Method, r.method))
	for name, v := range m.Headers {
		got, has := r.headers[strings.ToLower(name)]
		ok = ok && has && value(v, got)
	}
	for name, v := range m.QueryParams {
		got, has := r.query[name]
		ok = ok && has && value(v, got)
	}
	for name, v := range m.WithoutHeaders {
		got, has := r.headers[strings.ToLower(name)]
		if v.MatchType == nil {
			ok = ok && !has
		} else {
			ok = ok && !value(v, got) // an absent header counts as an empty one
		}
	}
	return ok
}

func value(m *networking.StringMatch, s string) bool {
	switch t := m.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		return s == t.Exact
	case *networking.StringMatch_Prefix:
		return strings.HasPrefix(s, t.Prefix)
	case *networking.StringMatch_Regex:
		return regexp.MustCompile("^(?:" + t.Regex + ")$").MatchString(s)
	}
	return true
}

// What is covered must be covered: over generated matches and requests, there
// is no request that fits the later match and not the earlier.
func TestACoveredMatchTakesNothingOfItsOwn(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 7))
	paths := []string{"/", "/a", "/A", "/a/", "/a/b", "/a/B/c", "/b", "/ab", "/b/1", "/b/12"}
	regexes := []string{".*", "/.*", "/a.*", "/a/.*", "/b/[0-9]", "/b/[0-9]+", "/a|/b", "/a/(b|B)/c", "(?i)/a", "^/a/b$", ""}
	words := []string{"", "a", "ab", "b"}
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	match := func(list, regexes []string) *networking.StringMatch {
		switch r.IntN(5) {
		case 0:
			return nil
		case 1:
			return &networking.StringMatch{}
		case 2:
			return &networking.StringMatch{MatchType: &networking.StringMatch_Exact{Exact: pick(list)}}
		case 3:
			return &networking.StringMatch{MatchType: &networking.StringMatch_Prefix{Prefix: pick(list)}}
		}
		return &networking.StringMatch{MatchType: &networking.StringMatch_Regex{Regex: pick(regexes)}}
	}
	named := func() map[string]*networking.StringMatch {
		m := map[string]*networking.StringMatch{}
		for _, name := range []string{"x", "Y"} {
			if v := match(words, []string{"a.*", ".*", "a|b", "[ab]"}); v != nil && r.IntN(2) == 0 {
				m[name] = v
			}
		}
		return m
	}
	random := func() *networking.HTTPMatchRequest {
		return &networking.HTTPMatchRequest{
			Uri: match(paths, regexes), IgnoreUriCase: r.IntN(3) == 0,
			Method: match([]string{"GET", "POST"}, []string{"GET|POST", ".*"}), Headers: named(), QueryParams: named(), WithoutHeaders: named(),
		}
	}
	values := func() map[string]string {
		m := map[string]string{}
		for _, name := range []string{"x", "y", "Y"} {
			if r.IntN(3) > 0 {
				m[name] = pick(words)
			}
		}
		return m
	}
	requests := make([]request, 200)
	for i := range requests {
		requests[i] = request{pick(paths), pick([]string{"GET", "POST"}), values(), values()}
	}
	covered := 0
	for range 20_000 {
		earlier, later := random(), random()
		if !covers(earlier, later) {
			continue
		}
		covered++
		for _, req := range requests {
			if fits(later, req) && !fits(earlier, req) {
				t.Fatalf("%v is said to cover %v, but %+v fits the later only", earlier, later, req)
			}
		}
	}
	if covered < 100 {
		t.Fatalf("only %d pairs were said to be covered: the test shows nothing", covered)
	}
}
