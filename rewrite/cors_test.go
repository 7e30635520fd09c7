package rewrite

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/match"
)

var shop = CORSConfig{
	Origins: []match.Value{match.Exact("https://a.example.com"), match.Prefix("https://pre."), match.Regex(`https://.*\.sub\.example\.net`)},
	Methods: []string{"GET", "PUT"}, Headers: []string{"x-a", "x-b"}, Expose: []string{"x-e", "x-f"},
	MaxAge: 24 * time.Hour, Credentials: true,
}

const (
	pageA = "https://a.example.com"
	evil  = "https://evil.example.org"
)

// The cases are what a sidecar answered and sent on by the same policy.
func TestCORS(t *testing.T) {
	ignore := CORSConfig{Origins: []match.Value{match.Exact(pageA)}, Methods: []string{"GET", "PUT"}, RefuseUnmatched: true}
	anything := CORSConfig{Origins: []match.Value{match.Exact("*")}, Methods: []string{"*"}, Headers: []string{"*"}}
	preflight := func(origin string) http.Header {
		return http.Header{
			"Access-Control-Allow-Credentials": {"true"}, "Access-Control-Allow-Headers": {"x-a,x-b"},
			"Access-Control-Allow-Methods": {"GET,PUT"}, "Access-Control-Allow-Origin": {origin},
			"Access-Control-Expose-Headers": {"x-e,x-f"}, "Access-Control-Max-Age": {"86400"}, "Content-Length": {"0"},
		}
	}
	marked := func(origin string) http.Header {
		return http.Header{"Access-Control-Allow-Credentials": {"true"}, "Access-Control-Allow-Origin": {origin}, "Access-Control-Expose-Headers": {"x-e,x-f"}}
	}
	request := func(method string, lines ...string) *http.Request {
		r := httptest.NewRequest(method, "http://reviews/", nil)
		for i := 0; i < len(lines); i += 2 {
			r.Header.Add(lines[i], lines[i+1])
		}
		return r
	}
	for _, c := range []struct {
		name   string
		c      CORSConfig
		r      *http.Request
		server http.Header // of the server's own answer
		sentOn bool
		want   http.Header
	}{
		{"preflight, allowed", shop, request("OPTIONS", "Origin", pageA, requestMethod, "PUT", requestHeaders, "x-a"), nil, false, preflight(pageA)},
		{"preflight, method not in the list", shop, request("OPTIONS", "Origin", pageA, requestMethod, "DELETE"), nil, false, preflight(pageA)},
		{"preflight, origin not allowed", shop, request("OPTIONS", "Origin", evil, requestMethod, "PUT"), nil, true, http.Header{}},
		{"preflight, regex origin", shop, request("OPTIONS", "Origin", "https://x.sub.example.net", requestMethod, "PUT"), nil, false, preflight("https://x.sub.example.net")},
		{"OPTIONS without request method", shop, request("OPTIONS", "Origin", pageA), nil, true, marked(pageA)},
		{"OPTIONS without origin", shop, request("OPTIONS", requestMethod, "PUT"), nil, true, http.Header{}},
		{"actual, allowed", shop, request("GET", "Origin", pageA), nil, true, marked(pageA)},
		{"actual, prefix origin", shop, request("GET", "Origin", "https://pre.example.com:8443"), nil, true, marked("https://pre.example.com:8443")},
		{"actual, not allowed", shop, request("GET", "Origin", evil), nil, true, http.Header{}},
		{"actual, two origins, of which one is allowed", shop, request("GET", "Origin", pageA, "Origin", evil), nil, true, http.Header{}},
		{"actual, no origin", shop, request("GET"), nil, true, http.Header{}},
		{"actual, server sets its own", shop, request("GET", "Origin", pageA), http.Header{"Access-Control-Allow-Origin": {"*"}}, true, marked(pageA)},
		{"unmatched preflights refused: allowed", ignore, request("OPTIONS", "Origin", pageA, requestMethod, "PUT"), nil, false,
			http.Header{"Access-Control-Allow-Methods": {"GET,PUT"}, "Access-Control-Allow-Origin": {pageA}, "Content-Length": {"0"}}},
		{"unmatched preflights refused: not allowed", ignore, request("OPTIONS", "Origin", evil, requestMethod, "PUT"), nil, false,
			http.Header{"Access-Control-Allow-Methods": {"GET,PUT"}, "Content-Length": {"0"}}},
		{"anything goes", anything, request("OPTIONS", "Origin", evil, requestMethod, "PATCH", requestHeaders, "x-1,x-2"), nil, false,
			http.Header{"Access-Control-Allow-Methods": {"PATCH"}, "Access-Control-Allow-Headers": {"x-1,x-2"}, "Access-Control-Allow-Origin": {evil}, "Content-Length": {"0"}}},
		{"anything goes, and no header is asked for", anything, request("OPTIONS", "Origin", evil, requestMethod, "PATCH"), nil, false,
			http.Header{"Access-Control-Allow-Methods": {"PATCH"}, "Access-Control-Allow-Headers": {""}, "Access-Control-Allow-Origin": {evil}, "Content-Length": {"0"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := NewCORS(c.c)
			require.NoError(t, err)
			sentOn := false
			res, err := k.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
				sentOn = true
				return &http.Response{StatusCode: 200, Header: c.server.Clone(), Body: http.NoBody}, nil
			})).RoundTrip(c.r)
			require.NoError(t, err)
			require.Equal(t, c.sentOn, sentOn)
			require.Equal(t, 200, res.StatusCode)
			if res.Header == nil {
				res.Header = http.Header{}
			}
			require.Equal(t, c.want, res.Header)

			sentOn = false
			w := httptest.NewRecorder()
			k.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				sentOn = true
				for name, values := range c.server {
					w.Header()[name] = values
				}
			})).ServeHTTP(w, c.r)
			require.Equal(t, c.sentOn, sentOn)
			require.Equal(t, 200, w.Code)
			require.Equal(t, c.want, w.Header())
		})
	}
}

func TestCORSMarksErrorsToo(t *testing.T) {
	k, err := NewCORS(shop)
	require.NoError(t, err)
	r := httptest.NewRequest("GET", "http://reviews/", nil)
	r.Header.Set("Origin", pageA)
	res, err := mesh.Chain(mesh.ErrorsAsResponses, k.Transport)(roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, &mesh.Error{Flag: mesh.NoHealthyUpstream, Status: 503, Details: mesh.DetailsNoHealthyUpstream}
	})).RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, 503, res.StatusCode)
	require.Equal(t, pageA, res.Header.Get(allowOrigin))
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "no healthy upstream", string(body))
}

func TestCORSProblems(t *testing.T) {
	_, err := NewCORS(CORSConfig{
		Origins: []match.Value{match.Exact(pageA), match.Regex("*")},
		Methods: []string{"GET", "P UT"}, Headers: []string{""}, Expose: []string{"x:y"}, MaxAge: 1500 * time.Millisecond,
	})
	var got []string
	for p := range mesh.Problems(err) {
		got = append(got, p.Field)
	}
	require.Equal(t, []string{"rewrite.Origins[1]", "rewrite.Methods[1]", "rewrite.Headers[0]", "rewrite.Expose[0]", "rewrite.MaxAge"}, got)

	k, err := NewCORS(shop)
	require.NoError(t, err)
	require.Error(t, k.Update(CORSConfig{MaxAge: -1}))
	require.True(t, k.now.Load().credentials)
}

// The cases are a sidecar's answers.
func TestReplies(t *testing.T) {
	for _, c := range []struct {
		name   string
		p      Reply
		method string
		status int
		header http.Header
		body   string
	}{
		{"a text", Reply{Status: 503, Body: "down for now"}, "GET", 503, http.Header{"Content-Length": {"12"}, "Content-Type": {"text/plain"}}, "down for now"},
		{"no content", Reply{Status: 204}, "GET", 204, http.Header{}, ""},
		{"bytes", Reply{Status: 200, Body: "\x00\x01\x02\xff"}, "GET", 200, http.Header{"Content-Length": {"4"}, "Content-Type": {"text/plain"}}, "\x00\x01\x02\xff"},
		{"a type of its own", Reply{Status: 418, Body: `{"a": 1}`, Header: http.Header{"Content-Type": {"application/json"}, "X-Extra": {"yes"}}}, "GET", 418,
			http.Header{"Content-Length": {"8"}, "Content-Type": {"application/json"}, "X-Extra": {"yes"}}, `{"a": 1}`},
		{"a status alone", Reply{Status: 404}, "GET", 404, http.Header{"Content-Length": {"0"}}, ""},
		{"HEAD", Reply{Status: 503, Body: "down for now"}, "HEAD", 503, http.Header{"Content-Length": {"12"}, "Content-Type": {"text/plain"}}, ""},
		{"created", Reply{Status: 201, Location: true}, "POST", 201, http.Header{"Content-Length": {"0"}, "Location": {"http://reviews/a?q=1"}}, ""},
		{"the zero value", Reply{}, "GET", 200, http.Header{"Content-Length": {"0"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.p.Validate())
			body := &closed{Reader: strings.NewReader("x")}
			f, r := flow.Ensure(httptest.NewRequest(c.method, "http://reviews/a?q=1", body))
			res, err := c.p.RoundTrip(r)
			require.NoError(t, err)
			all, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, c.status, res.StatusCode)
			require.Equal(t, c.header, res.Header)
			require.Equal(t, c.body, string(all))
			require.Equal(t, 1, body.times)
			require.Equal(t, "direct_response", f.Tell().Details)

			w := httptest.NewRecorder()
			f, r = flow.EnsureServed(httptest.NewRequest(c.method, "http://reviews/a?q=1", nil))
			c.p.ServeHTTP(w, r)
			require.Equal(t, c.status, w.Code)
			require.Equal(t, c.header, w.Header())
			require.Equal(t, c.body, w.Body.String())
			require.Equal(t, "direct_response", f.Tell().Details)
		})
	}
	require.Error(t, Reply{Status: 600}.Validate())
	require.Error(t, Reply{Header: http.Header{"a b": {"c"}}}.Validate())
}

// The cases are a sidecar's answers.
func TestCallersOfGRPCAreToldByHeaders(t *testing.T) {
	for _, c := range []struct {
		name   string
		rt     http.RoundTripper
		header http.Header
	}{
		{"a text", Reply{Status: 203, Body: "hello wörld %"}, http.Header{"Grpc-Status": {"2"}, "Grpc-Message": {"hello w%C3%B6rld %25"}}},
		{"a status alone", Reply{Status: 503}, http.Header{"Grpc-Status": {"14"}}},
		{"a redirect", Redirect{Path: "/z"}, http.Header{"Grpc-Status": {"2"}, "Location": {"http://reviews/z"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "http://reviews/a", nil)
			r.Header.Set("Content-Type", "application/grpc")
			c.header["Content-Type"], c.header["Content-Length"] = []string{"application/grpc"}, []string{"0"}
			res, err := c.rt.RoundTrip(r)
			require.NoError(t, err)
			require.Equal(t, 200, res.StatusCode)
			require.Equal(t, c.header, res.Header)
			require.Equal(t, http.NoBody, res.Body)
		})
	}
}

// closed counts how often a body was closed.
type closed struct {
	io.Reader
	times int
}

func (c *closed) Close() error { c.times++; return nil }

// The cases are a sidecar's answers.
func TestRedirects(t *testing.T) {
	for _, c := range []struct {
		name, target, host string
		d                  Redirect
		want               string
	}{
		{"path", "/uri", "reviews", Redirect{Path: "/new"}, "http://reviews/new"},
		{"path, with a query", "/uri?x=1", "reviews", Redirect{Path: "/new"}, "http://reviews/new?x=1"},
		{"host", "/auth?x=1", "reviews", Redirect{Host: "other.example.com"}, "http://other.example.com/auth?x=1"},
		{"both", "/both", "reviews", Redirect{Path: "/new", Host: "other.example.com"}, "http://other.example.com/new"},
		{"scheme", "/https?x=1", "reviews", Redirect{Scheme: "https"}, "https://reviews/https?x=1"},
		{"port", "/port", "reviews", Redirect{Port: 8443}, "http://reviews:8443/port"},
		{"scheme and port", "/https-port", "reviews", Redirect{Scheme: "https", Port: 8443}, "https://reviews:8443/https-port"},
		{"the default port of another scheme", "/https", "reviews:80", Redirect{Scheme: "https"}, "https://reviews/https"},
		{"a port for another", "/port", "reviews:80", Redirect{Port: 8443}, "http://reviews:8443/port"},
		{"a port that stays", "/uri", "reviews:80", Redirect{Path: "/new"}, "http://reviews:80/new"},
		{"port 80 with https", "/derive", "reviews:80", Redirect{Scheme: "https", Port: 80}, "https://reviews:80/derive"},
		{"an IPv6 host", "/", "[::1]:80", Redirect{Scheme: "https"}, "https://[::1]/"},
		{"an IPv6 host without port", "/", "[::1]", Redirect{Port: 81}, "http://[::1]:81/"},
		{"a prefix by segments", "/a/x?q", "reviews", Redirect{Prefix: "/a", Path: "/", Segments: true}, "http://reviews/x?q"},
		{"escapes stay", "/a%2Fb|c", "reviews", Redirect{Scheme: "https"}, "https://reviews/a%2Fb|c"},
		{"a path without its slash", "/a?q", "reviews", Redirect{Path: "to"}, "http://reviews/to?q"},
		{"a prefix for one without its slash", "/a/b?q", "reviews", Redirect{Prefix: "/a", Path: "to"}, "http://reviews/to/b?q"},
		{"a query alone", "/a?q", "reviews", Redirect{Path: "?x"}, "http://reviews/?x"},
		{"a fragment", "/a", "reviews", Redirect{Path: "/new#top"}, "http://reviews/new#top"},
		{"the query left out", "/a?q", "reviews", Redirect{StripQuery: true}, "http://reviews/a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.d.Validate())
			r := requestFor(c.target)
			r.Host = c.host
			res, err := c.d.RoundTrip(r)
			require.NoError(t, err)
			require.Equal(t, 301, res.StatusCode)
			require.Equal(t, http.Header{"Location": {c.want}, "Content-Length": {"0"}}, res.Header)
		})
	}
	for name, d := range map[string]Redirect{
		"nothing":          {},
		"a status alone":   {Status: 302},
		"not modified":     {Status: 304, Path: "/a"},
		"a prefix alone":   {Prefix: "/a", Host: "b"},
		"half of segments": {Segments: true, Path: "/b"},
	} {
		require.Error(t, d.Validate(), name)
	}
}

func TestAPreflightIsNoCallOfGRPC(t *testing.T) {
	k, err := NewCORS(shop)
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodOptions, "http://a/", nil)
	r.Header = http.Header{
		"Origin": {pageA}, "Access-Control-Request-Method": {"GET"}, "Content-Type": {"application/grpc"},
	}
	res, err := k.Transport(nil).RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode)
	require.NotContains(t, res.Header, "Grpc-Status")
	require.NotContains(t, res.Header, "Content-Type")
}
