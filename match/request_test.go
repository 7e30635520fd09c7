package match_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/match"
)

// viewed is the view of a request that a server read in this form.
func viewed(t *testing.T, raw string) (*http.Request, match.View) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(raw, "\n", "\r\n") + "\r\n\r\n")))
	require.NoError(t, err)
	return r, match.ViewOf(r)
}

func TestAHandlersPathIsThePathAsSent(t *testing.T) {
	for _, c := range []struct{ line, path, target string }{
		{"GET / HTTP/1.1", "/", "/"},
		{"GET /a/b?c=d HTTP/1.1", "/a/b", "/a/b?c=d"},
		{"GET /a? HTTP/1.1", "/a", "/a?"},
		{"GET /%61 HTTP/1.1", "/%61", "/%61"},
		{"GET /a%20b HTTP/1.1", "/a%20b", "/a%20b"},
		{"GET /a%2Fb HTTP/1.1", "/a%2Fb", "/a%2Fb"},
		{"GET /a|b HTTP/1.1", "/a|b", "/a|b"},
		{`GET /a\b"< HTTP/1.1`, `/a\b"<`, `/a\b"<`},
		{"GET //a/../b HTTP/1.1", "//a/../b", "//a/../b"},
		{"GET http://other/a?b HTTP/1.1", "/a", "/a?b"},
		{"GET http://other HTTP/1.1", "/", "/"},
		{"GET http://other?b HTTP/1.1", "/", "/?b"},
		{"OPTIONS * HTTP/1.1", "*", "*"},
		{"CONNECT host:443 HTTP/1.1", "", ""},
	} {
		_, v := viewed(t, c.line+"\nHost: host")
		require.Equal(t, c.path, v.Path(), c.line)
		require.Equal(t, c.target, v.Target(), c.line)
	}
}

func TestAHandlerBehindStripPrefixSeesTheRest(t *testing.T) {
	for line, want := range map[string]string{
		"GET /api/a HTTP/1.1":     "/a",
		"GET /api/a%2Fb HTTP/1.1": "/a%2Fb",
		"GET /api/a%20b HTTP/1.1": "/a%20b",
		"GET /api/ HTTP/1.1":      "/",
	} {
		r, _ := viewed(t, line+"\nHost: host")
		http.StripPrefix("/api", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			v := match.ViewOf(r)
			require.Equal(t, want, v.Path(), line)
		})).ServeHTTP(nil, r)
	}
}

func TestAClientsPathIsThePathItWillSend(t *testing.T) {
	for _, u := range []*url.URL{
		{Path: "/a/b"},
		{Path: ""},
		{Path: "/", RawQuery: "q=/x"},
		{Path: "/a b"},
		{Path: "/a/b", RawPath: "/a%2Fb"},
		{Path: "/a|b", RawPath: "/a|b"},
		{Path: "//a"},
		{Path: "/é"},
		{Opaque: "/a|b"},
		{Opaque: "/a|b?q"},
		{Opaque: "//host//a"},
		{Opaque: "//host"},
		{Opaque: "*"},
	} {
		u.Scheme, u.Host = "http", "host"
		r := &http.Request{Method: "GET", URL: u, Header: http.Header{}}
		var wire strings.Builder
		require.NoError(t, r.Write(&wire))
		read, v := viewed(t, strings.TrimSpace(strings.ReplaceAll(wire.String(), "\r", "")))
		mine := match.ViewOf(r)
		require.Equal(t, v.Path(), mine.Path(), "%#v as %s", u, read.RequestURI)
	}
}

func TestEveryByteOfAPathIsSeenAsItIsSent(t *testing.T) {
	for c := range 256 {
		u := &url.URL{Scheme: "http", Host: "host", Path: "/a" + string([]byte{byte(c)})}
		v := match.ViewOf(&http.Request{URL: u})
		require.Equal(t, u.EscapedPath(), v.Path())
	}
}

func TestHostSchemeAndPort(t *testing.T) {
	client := func(u string) *http.Request {
		r, err := http.NewRequest("GET", u, nil)
		require.NoError(t, err)
		return r
	}
	served, _ := viewed(t, "GET / HTTP/1.1\nHost: Shop:81")
	secure, _ := viewed(t, "GET / HTTP/1.1\nHost: shop")
	secure.TLS = new(tls.ConnectionState)
	listener := served.WithContext(context.WithValue(context.Background(), http.LocalAddrContextKey, &net.TCPAddr{Port: 9080}))
	renamed := client("http://10.0.0.1:9080/")
	renamed.Host = "reviews"
	for _, c := range []struct {
		r            *http.Request
		host, scheme string
		port         uint16
	}{
		{client("http://shop/"), "shop", "http", 80},
		{client("https://Shop/"), "Shop", "https", 443},
		{client("https://shop:8443/"), "shop:8443", "https", 8443},
		{client("http://[::1]/"), "[::1]", "http", 80},
		{client("http://[::1]:81/"), "[::1]:81", "http", 81},
		{renamed, "reviews", "http", 9080},
		{served, "Shop:81", "http", 81},
		{secure, "shop", "https", 443},
		{listener, "Shop:81", "http", 9080},
	} {
		v := match.ViewOf(c.r)
		require.Equal(t, c.host, v.Host())
		require.Equal(t, c.scheme, v.Scheme())
		require.Equal(t, c.port, v.Port(), c.host)
	}
}

func TestTheHostnameIsTheHostWithoutItsPort(t *testing.T) {
	for host, want := range map[string]string{
		"shop": "shop", "Shop:80": "Shop", "shop:": "shop:", "shop:http": "shop:http", "shop.:80": "shop.",
		"[::1]": "[::1]", "[::1]:80": "[::1]", ":80": "", "": "",
	} {
		v := match.ViewOf(&http.Request{Host: host, URL: &url.URL{}})
		require.Equal(t, want, v.Hostname(), host)
	}
}

func TestHeaderLinesAreJudgedOneByOne(t *testing.T) {
	with := func(lines ...string) *http.Request {
		return &http.Request{URL: &url.URL{Path: "/"}, Header: http.Header{"X-A": lines}}
	}
	field := func(v match.Value) []match.Field { return []match.Field{{Name: "x-a", Value: v}} }
	for _, c := range []struct {
		about   string
		request match.Request
		lines   []string
		want    bool
	}{
		{"one line fits", match.Request{Headers: field(match.Exact("two"))}, []string{"one", "two"}, true},
		{"lines are not joined", match.Request{Headers: field(match.Exact("one,two"))}, []string{"one", "two"}, false},
		{"a line is not taken apart", match.Request{Headers: field(match.Exact("one"))}, []string{"one,two"}, false},
		{"an expression needs a header", match.Request{Headers: field(match.Regex(".*"))}, nil, false},
		{"exact empty needs a header", match.Request{Headers: field(match.Exact(""))}, nil, false},
		{"an empty header is there", match.Request{Headers: field(match.Value{})}, []string{""}, true},
		{"nothing is not there", match.Request{Headers: field(match.Value{})}, nil, false},
		{"not: a line fits", match.Request{Headers: field(match.Exact("one").Not())}, []string{"one", "two"}, false},
		{"not: none fits", match.Request{Headers: field(match.Exact("one").Not())}, []string{"two"}, true},
		{"not: nothing is there", match.Request{Headers: field(match.Exact("one").Not())}, nil, false},
		{"not present: absent", match.Request{Headers: field(match.Present().Not())}, nil, true},
		{"not present: there", match.Request{Headers: field(match.Present().Not())}, []string{""}, false},
		{"without: a line fits", match.Request{Without: field(match.Exact("one"))}, []string{"two", "one"}, false},
		{"without: none fits", match.Request{Without: field(match.Exact("one"))}, []string{"two"}, true},
		{"without: absent", match.Request{Without: field(match.Exact("one"))}, nil, true},
		{"without empty: absent counts as empty", match.Request{Without: field(match.Exact(""))}, nil, false},
		{"without any text: absent counts as empty", match.Request{Without: field(match.Regex(".*"))}, nil, false},
		{"without some text: absent", match.Request{Without: field(match.Regex(".+"))}, nil, true},
		{"without presence: absent", match.Request{Without: field(match.Value{})}, nil, true},
		{"without presence: empty is there", match.Request{Without: field(match.Present())}, []string{""}, false},
	} {
		require.Equal(t, c.want, fits(t, with(c.lines...), c.request), c.about)
		require.Equal(t, c.want, c.request.Explain(with(c.lines...)) == "", c.about)
	}
}

func TestHeadersMayNameOtherPartsOfTheRequest(t *testing.T) {
	r, err := http.NewRequest("PUT", "https://Shop:81/a?b=c", nil)
	require.NoError(t, err)
	for name, value := range map[string]string{":method": "PUT", ":scheme": "https", ":authority": "Shop:81", "host": "Shop:81", ":PATH": "/a?b=c"} {
		require.True(t, fits(t, r, match.Request{Headers: []match.Field{{Name: name, Value: match.Exact(value)}}}), name)
		require.False(t, fits(t, r, match.Request{Headers: []match.Field{{Name: name, Value: match.Exact(value).Not()}}}), name)
		require.False(t, fits(t, r, match.Request{Without: []match.Field{{Name: name, Value: match.Exact(value)}}}), name)
		require.True(t, fits(t, r, match.Request{Headers: []match.Field{{Name: name}}}), name)
		require.False(t, fits(t, r, match.Request{Without: []match.Field{{Name: name}}}), name)
		key, ok := match.HeaderKey(name)(r)
		require.True(t, ok)
		require.Equal(t, value, key)
	}
	require.False(t, fits(t, r, match.Request{Headers: []match.Field{{Name: ":status"}}}))
}

func TestAllConditionsMustHoldAndOneDescription(t *testing.T) {
	r, err := http.NewRequest("", "http://shop:81/a/b?x=1", nil)
	require.NoError(t, err)
	r.Header.Set("User", "jason")
	all := match.Request{
		Method:  match.Exact("GET"),
		Scheme:  match.Exact("http"),
		Host:    match.Exact("shop:81"),
		Path:    match.Prefix("/a/"),
		Headers: []match.Field{{Name: "user", Value: match.Exact("jason")}},
		Without: []match.Field{{Name: "debug"}},
		Query:   []match.Field{{Name: "x", Value: match.Exact("1")}},
		Port:    81,
	}
	require.True(t, fits(t, r, all))
	require.True(t, fits(t, r), "no description accepts all")
	require.True(t, fits(t, r, match.Request{}))
	for want, spoil := range map[string]func(*match.Request){
		`method "GET": want exact "POST"`:                   func(q *match.Request) { q.Method = match.Exact("POST") },
		`scheme "http": want exact "https"`:                 func(q *match.Request) { q.Scheme = match.Exact("https") },
		`host "shop:81": want exact "shop"`:                 func(q *match.Request) { q.Host = match.Exact("shop") },
		`path "/a/b": want prefix "/b"`:                     func(q *match.Request) { q.Path = match.Prefix("/b") },
		`header User "jason": want exact "peter"`:           func(q *match.Request) { q.Headers = []match.Field{{Name: "user", Value: match.Exact("peter")}} },
		`header Debug absent: want present`:                 func(q *match.Request) { q.Headers = []match.Field{{Name: "debug"}} },
		`header User "jason": want none that is prefix "j"`: func(q *match.Request) { q.Without = []match.Field{{Name: "user", Value: match.Prefix("j")}} },
		`query parameter x "1": want exact "2"`:             func(q *match.Request) { q.Query = []match.Field{{Name: "x", Value: match.Exact("2")}} },
		`query parameter y absent: want present`:            func(q *match.Request) { q.Query = []match.Field{{Name: "y"}} },
		`port 81: want 80`:                                  func(q *match.Request) { q.Port = 80 },
	} {
		q := all
		spoil(&q)
		require.False(t, fits(t, r, q), want)
		require.Equal(t, want, q.Explain(r))
		require.True(t, fits(t, r, q, all), "the other description fits")
	}
	require.Empty(t, all.Explain(r))
	require.Contains(t, match.Request{Path: match.Regex("(")}.Explain(r), "missing closing )")
}

func TestKeys(t *testing.T) {
	r, _ := viewed(t, "GET /?q=%61&q=2&e&E=1 HTTP/1.1\nHost: shop\nX-User:  jason \nX-User: peter\n"+
		`Cookie: a=1; sid="x y"; spaced = 1`+"\nCookie: sid=late; empty=; last=z")
	r.RemoteAddr = "192.0.2.1:4711"
	for _, c := range []struct {
		key  match.Key
		want string
		ok   bool
	}{
		{match.HeaderKey("x-user"), "jason", true},
		{match.HeaderKey("x-none"), "", false},
		{match.CookieKey("a"), "1", true},
		{match.CookieKey("sid"), "x y", true},
		{match.CookieKey("last"), "z", true},
		{match.CookieKey("empty"), "", true},
		{match.CookieKey("spaced"), "", false},
		{match.CookieKey("SID"), "", false},
		{match.QueryKey("q"), "%61", true},
		{match.QueryKey("e"), "", true},
		{match.QueryKey("E"), "1", true},
		{match.QueryKey("x"), "", false},
		{match.PeerKey(), "192.0.2.1", true},
	} {
		got, ok := c.key(r)
		require.Equal(t, c.want, got)
		require.Equal(t, c.ok, ok)
		require.Zero(t, testing.AllocsPerRun(100, func() { c.key(r) }))
	}
	r.RemoteAddr = "[2001:db8::1]:4711"
	got, _ := match.PeerKey()(r)
	require.Equal(t, "2001:db8::1", got)
	r.RemoteAddr = ""
	_, ok := match.PeerKey()(r)
	require.False(t, ok)
}

func TestMatchingAllocatesNothing(t *testing.T) {
	m, err := match.New(
		match.Request{Path: match.Regex("/x/[0-9]+/.*")},
		match.Request{Path: match.Template("/users/{*}/{**}"), Query: []match.Field{{Name: "page", Value: match.Exact("2")}}},
		match.Request{Headers: []match.Field{{Name: "Cookie", Value: match.Regex("^(.*?;)?(user=jason)(;.*)?$")}}, Port: 80},
	)
	require.NoError(t, err)
	client, err := http.NewRequest("GET", "http://shop/users/7/posts?page=1", nil)
	require.NoError(t, err)
	client.Header.Set("Cookie", "a=b;user=jason")
	served, _ := viewed(t, "GET /users/7/posts?page=1 HTTP/1.1\nHost: shop\nCookie: a=b;user=jason")
	target, err := match.New(match.Request{Headers: []match.Field{{Name: ":path", Value: match.Exact("/users/7/posts?page=1")}}})
	require.NoError(t, err)
	require.True(t, target.Match(served))
	require.Zero(t, testing.AllocsPerRun(200, func() { target.Match(served) }))
	for _, r := range []*http.Request{client, served} {
		require.True(t, m.Match(r))
		require.Zero(t, testing.AllocsPerRun(200, func() { m.Match(r) }))
	}
}

func TestComparePutsTheMoreSpecificFirst(t *testing.T) {
	fields := []match.Field{{Name: "a"}}
	ordered := []match.Request{
		{Path: match.Exact("/a")},
		{Path: match.Segments("/abc"), Method: match.Exact("GET")},
		{Path: match.Segments("/abc"), Headers: []match.Field{{Name: "a"}, {Name: "b"}}},
		{Path: match.Segments("/abc"), Headers: fields, Query: fields},
		{Path: match.Segments("/abc"), Headers: fields},
		{Path: match.Segments("/abc"), Query: fields},
		{Path: match.Segments("/abc")},
		{Path: match.Segments("/a"), Method: match.Exact("GET"), Headers: fields},
		{},
	}
	for i, a := range ordered {
		for j, b := range ordered {
			require.Equal(t, sign(i-j), sign(a.Compare(b)), "%d, %d", i, j)
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
