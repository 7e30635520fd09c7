package gatewayapi

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/route"
)

func TestHostnamesIntersect(t *testing.T) {
	for _, tc := range []struct {
		listener string
		route    []string
		want     []string
	}{
		{"*", nil, []string{"*"}},
		{"*", []string{"a.com"}, []string{"a.com"}},
		{"a.com", nil, []string{"a.com"}},
		{"a.com", []string{"a.com", "b.com"}, []string{"a.com"}},
		{"*.a.com", []string{"x.a.com", "x.y.a.com", "a.com"}, []string{"x.a.com", "x.y.a.com"}},
		{"x.a.com", []string{"*.a.com"}, []string{"x.a.com"}},
		{"*.a.com", []string{"*.x.a.com"}, []string{"*.x.a.com"}},
		{"*.x.a.com", []string{"*.a.com"}, []string{"*.x.a.com"}},
		{"*.a.com", []string{"*.com"}, []string{"*.a.com"}},
		{"*.a.com", []string{"*.b.com", "xa.com"}, nil},
	} {
		require.Equal(t, tc.want, intersect(tc.listener, tc.route), "%s and %v", tc.listener, tc.route)
	}
}

func grpcOf(service, method, kind string, headers int) *grpcMatch {
	m := &grpcMatch{Method: &grpcMethod{Service: &service, Method: &method, Type: &kind}}
	for i := range headers {
		m.Headers = append(m.Headers, valueMatch{Name: string(rune('A' + i)), Value: "1"})
	}
	return m
}

func TestGRPCPrefersServiceThenMethodThenHeaders(t *testing.T) {
	order := []*grpcMatch{
		grpcOf("shop.Cart", "Add", typeExact, 1),
		grpcOf("shop.Cart", "Add", typeExact, 0),
		grpcOf("shop.Cart", "", typeExact, 2),
		grpcOf(`shop\..*`, "", typeRegex, 0),
		grpcOf("", "AddManyThingsAtOnceToTheCart", typeExact, 0),
		grpcOf("", "Add", typeExact, 3),
		{Headers: []valueMatch{{Name: "A", Value: "1"}}},
		{},
	}
	for i, a := range order {
		for j, b := range order {
			x, y := grpcRanked(a), grpcRanked(b)
			require.Equal(t, i < j, x.before(&y) < 0, "%d and %d", i, j)
		}
	}
	for path, want := range map[string][]int{
		"/shop.Cart/Add": {0, 1, 2, 3, 5, 6, 7}, "/shop.Cart/Get": {2, 3, 6, 7}, "/shop.Carts/Get": {3, 6, 7}, "/x/Add": {5, 6, 7}, "/x/y/Add": {6, 7},
	} {
		r := httptest.NewRequest("POST", path, nil)
		r.Header = map[string][]string{"A": {"1"}, "B": {"1"}, "C": {"1"}}
		var fits []int
		for i, m := range order {
			matcher, err := match.New(grpcRanked(m).Request)
			require.NoError(t, err)
			if matcher.Match(r) {
				fits = append(fits, i)
			}
		}
		require.Equal(t, want, fits, path)
	}
}

func FuzzQueryValues(f *testing.F) {
	f.Add("a b/c", true)
	f.Add("é+&=%", false)
	f.Fuzz(func(t *testing.T, value string, plus bool) {
		if value == "" || len(value) > 500 || strings.ContainsAny(value, "\x00\n") {
			return
		}
		encoded := url.PathEscape(value)
		encoded = strings.NewReplacer("&", "%26", "+", "%2B", "=", "%3d").Replace(encoded)
		if plus {
			encoded = url.QueryEscape(value)
		}
		m, err := match.New(match.Request{Query: []match.Field{{Name: "k", Value: queryValue(valueMatch{Value: value})}}})
		require.NoError(t, err)
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = "k=" + encoded
		if !m.Match(r) {
			t.Errorf("%q is not found in %q", value, encoded)
		}
		r.URL.RawQuery = "k=" + encoded + "x"
		if m.Match(r) {
			t.Errorf("%q is found in %q", value, r.URL.RawQuery)
		}
	})
}

// FuzzPrecedence compares the table with the best of all matches that fit, looked
// for one by one.
func FuzzPrecedence(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint8(3))
	f.Fuzz(func(t *testing.T, seed []byte, asked uint8) {
		hosts := []string{"*", "*.b", "*.a.b", "x.a.b", "y.b"}
		paths := []match.Value{match.Segments("/"), match.Segments("/p"), match.Exact("/p"), match.Segments("/p/q"), match.Regex("/p.*")}
		var all []candidate
		for i, b := range seed[:min(len(seed), 40)] {
			m := ranked{Request: match.Request{Path: paths[int(b)%len(paths)]}}
			if b&32 != 0 {
				m.Method = match.Exact("GET")
			}
			if b&64 != 0 {
				m.Headers = []match.Field{{Name: "H", Value: match.Exact("1")}}
			}
			all = append(all, candidate{host: hosts[int(b)/7%len(hosts)], match: m, rule: route.ClientRule{Name: string(rune('A' + i))}})
		}
		r := httptest.NewRequest([]string{"GET", "PUT"}[asked&1], "http://"+[]string{"x.a.b", "y.a.b", "y.b", "c"}[asked>>1&3]+[]string{"/", "/p", "/p/q", "/px"}[asked>>3&3], nil)
		if asked&64 != 0 {
			r.Header.Set("H", "1")
		}
		want := ""
		var best *candidate
		for i := range all {
			c := &all[i]
			m, err := match.New(c.match.Request)
			require.NoError(t, err)
			if !covers(c.host, r.Host) || !m.Match(r) {
				continue
			}
			if best == nil || moreSpecific(c.host, best.host) < 0 || moreSpecific(c.host, best.host) == 0 && c.match.before(&best.match) < 0 {
				best, want = c, c.rule.Name
			}
		}
		table, err := route.New(byPrecedence(slices.Clone(all))...)
		require.NoError(t, err)
		have := ""
		if rule, ok := table.Lookup(r); ok {
			have = rule.Name
		}
		require.Equal(t, want, have)
	})
}
