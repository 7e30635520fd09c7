package rewrite

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// The cases are what a sidecar sent on for the same rules.
func TestPaths(t *testing.T) {
	service := Config{Regex: `^/service/([^/]+)(/.*)$`, Substitute: `\2/instance/\1`}
	for _, group := range []struct {
		name  string
		c     Config
		paths map[string]string
	}{
		{"a prefix", Config{Prefix: "/v1", Path: "/v2"}, map[string]string{
			"/v1": "/v2", "/v1/": "/v2/", "/v1/x?q=/v1": "/v2/x?q=/v1", "/v1x": "/v2x", "/v1//x": "/v2//x", "/V1/x": "/v2/x",
			"/other": "/other", "/v": "/v",
		}},
		{"a prefix with a slash, to the root", Config{Prefix: "/strip/", Path: "/"}, map[string]string{
			"/strip/": "/", "/strip/x": "/x", "/strip//x": "//x",
		}},
		{"a prefix without a slash, to the root", Config{Prefix: "/nostrip", Path: "/"}, map[string]string{
			"/nostrip": "/", "/nostrip/": "//", "/nostrip/x": "//x", "/nostripx": "/x", "/nostrip?x=1": "/?x=1",
		}},
		{"a prefix, to one with a slash", Config{Prefix: "/add", Path: "/base/"}, map[string]string{
			"/add": "/base/", "/add/x": "/base//x", "/addx": "/base/x",
		}},
		{"a prefix that loses its slash", Config{Prefix: "/long/", Path: "/short"}, map[string]string{
			"/long/": "/short", "/long/x": "/shortx",
		}},
		{"the prefix of everything", Config{Prefix: "/", Path: "/fixed"}, map[string]string{
			"/": "/fixed", "/x": "/fixedx", "/x/y?z=1": "/fixedx/y?z=1",
		}},
		{"the whole path", Config{Path: "/exact"}, map[string]string{"/e": "/exact", "/e?x=1": "/exact?x=1", "/r/12?": "/exact?"}},
		{"the whole path and a query", Config{Path: "/new?a=b"}, map[string]string{"/e": "/new?a=b", "/e?x=1": "/new?a=b?x=1"}},
		{"an expression with groups", service, map[string]string{
			"/service/foo/v1/api": "/v1/api/instance/foo", "/service/foo": "/service/foo",
			"/service/foo/v1?x=/service/a/b": "/v1/instance/foo?x=/service/a/b",
		}},
		{"an expression that is found more than once", Config{Regex: "one", Substitute: "two"}, map[string]string{
			"/all/xxx/one/yyy/one/zzz": "/all/xxx/two/yyy/two/zzz", "/all/x": "/all/x",
		}},
		{"an expression without regard to case", Config{Regex: "(?i)/aaa/", Substitute: "/b/"}, map[string]string{
			"/ci/aaa/x": "/ci/b/x", "/ci/AaA/x": "/ci/b/x",
		}},
		{"the whole match", Config{Regex: "/esc/(.*)", Substitute: `/\0/\1`}, map[string]string{"/esc/abc": "//esc/abc/abc"}},
		{"a backslash", Config{Regex: "x", Substitute: `\\`}, map[string]string{"/axb": `/a\b`}},
		{"nothing in place of what is found", Config{Regex: "/x"}, map[string]string{"/a/x/b": "/a/b"}},
		{"escapes that stay", Config{Prefix: "/a", Path: "/b"}, map[string]string{
			"/a/x%2Fy%2fz": "/b/x%2Fy%2fz", "/a/%61|<>": "/b/%61|<>", "/a/%zz": "/b/%zz", "/a/é": "/b/é",
		}},
		// ReplacePrefixMatch, by the table of the Gateway API's HTTPPathModifier.
		{"segments", Config{Prefix: "/foo", Path: "/xyz", Segments: true}, map[string]string{
			"/foo/bar": "/xyz/bar", "/foo/": "/xyz/", "/foo": "/xyz", "/foobar": "/foobar", "/foo//bar": "/xyz/bar", "/foo?q": "/xyz?q",
		}},
		{"segments with slashes at their end", Config{Prefix: "/foo/", Path: "/xyz/", Segments: true}, map[string]string{
			"/foo/bar": "/xyz/bar", "/foo": "/xyz", "/foo/": "/xyz/",
		}},
		{"segments taken away", Config{Prefix: "/foo", Segments: true}, map[string]string{
			"/foo/bar": "/bar", "/foo": "/", "/foo/": "/",
		}},
		{"segments replaced by the root", Config{Prefix: "/foo", Path: "/", Segments: true}, map[string]string{
			"/foo/bar": "/bar", "/foo": "/", "/foo//bar": "/bar",
		}},
		{"segments put before everything", Config{Prefix: "/", Path: "/xyz", Segments: true}, map[string]string{
			"/": "/xyz/", "/a": "/xyz/a",
		}},
	} {
		t.Run(group.name, func(t *testing.T) {
			w := rewriter(t, group.c)
			for from, want := range group.paths {
				var got *http.Request
				_, err := w.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
					got = r
					return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
				})).RoundTrip(requestFor(from))
				require.NoError(t, err)
				require.Equal(t, want, sent(t, got), "sent for %s", from)

				w.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					v := match.ViewOf(r)
					if strings.Trim(want, "/") != "" { // a URL of nothing but slashes is a host to Go
						require.Equal(t, want, r.RequestURI, "served for %s", from)
					}
					require.Equal(t, want, v.Target(), "served for %s", from)
				})).ServeHTTP(httptest.NewRecorder(), servedFor(from))
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// requestFor is a client's request with that target, byte for byte.
func requestFor(target string) *http.Request {
	r := httptest.NewRequest("GET", "http://reviews/", nil)
	r.RequestURI, r.Proto, r.RemoteAddr = "", "", ""
	path, query, found := strings.Cut(target, "?")
	r.URL.RawQuery, r.URL.ForceQuery = query, found && query == ""
	r.URL.Opaque = path
	if strings.HasPrefix(path, "//") {
		r.URL.Opaque, r.URL.Path = "", path
	}
	return r
}

// servedFor is the same as a server reads it.
func servedFor(target string) *http.Request {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: reviews\r\n\r\n")))
	if err != nil { // net/http refuses some escapes that Envoy takes
		r = requestFor(target)
		r.RequestURI = target
	}
	return r
}

// sent is the target in what net/http writes for r.
func sent(t *testing.T, r *http.Request) string {
	t.Helper()
	var wire strings.Builder
	require.NoError(t, r.Write(&wire))
	line, _, _ := strings.Cut(wire.String(), "\r\n")
	return strings.TrimSuffix(strings.TrimPrefix(line, "GET "), " HTTP/1.1")
}

// FuzzRegex holds the substitution to Go's own, which writes ${1} for \1.
func FuzzRegex(f *testing.F) {
	f.Add(`^/service/([^/]+)(/.*)$`, `\2/instance/\1`, "/service/foo/v1")
	f.Add("o*", `x\0`, "/foo/bar")
	f.Add("", "-", "/ab")
	f.Add("(a)|(b)", `\1\2\\`, "/ab$1")
	f.Fuzz(func(t *testing.T, expr, substitute, path string) {
		var problems check.List
		p := compileRegex(&problems, expr, substitute)
		if problems.Err() != nil || expr == "" {
			return
		}
		theirs := strings.ReplaceAll(substitute, "$", "$$")
		theirs = strings.ReplaceAll(theirs, `\\`, "\x00")
		theirs = regexp.MustCompile(`\\([0-9])`).ReplaceAllString(theirs, "$${$1}")
		theirs = strings.ReplaceAll(theirs, "\x00", `\`)
		if strings.Contains(substitute, "\x00") {
			return
		}
		want := regexp.MustCompile(expr).ReplaceAllString(path, theirs)
		if got := p.rewrite(path); got != want {
			t.Errorf("%q with %q by %q is %q, want %q", path, expr, substitute, got, want)
		}
	})
}

func FuzzSegments(f *testing.F) {
	f.Add("/foo", "/xyz", "/foo/bar")
	f.Add("/", "", "/a//b")
	f.Fuzz(func(t *testing.T, prefix, to, path string) {
		var problems check.List
		p := compilePrefix(&problems, prefix, to, true)
		if problems.Err() != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
			return
		}
		if got := p.rewrite(path); !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") {
			t.Errorf("%q with %q for %q is %q", path, to, prefix, got)
		}
	})
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name string
		c    Config
		want []string
	}{
		{"a group that is not there", Config{Regex: "(a)", Substitute: `\2`}, []string{`rewrite.Substitute: has \2, and the expression has 1 groups (got "\\2")`}},
		{"a lone backslash", Config{Regex: "a", Substitute: `b\`}, []string{`rewrite.Substitute: ends in a lone backslash; write \\ for one (got "b\\")`}},
		{"a backslash before a letter", Config{Regex: "a", Substitute: `\n`}, []string{`rewrite.Substitute: has \n, which is neither a group nor \\ (got "\\n")`}},
		{"no expression", Config{Regex: "("}, []string{"rewrite.Regex: is no regular expression of RE2: error parsing regexp: missing closing ): `(` (got \"(\")"}},
		{"too long an expression", Config{Regex: strings.Repeat("(", 1<<20)}, []string{"rewrite.Regex: may have 16384 bytes at most"}},
		{"two ways", Config{Regex: "a", Path: "/b"}, []string{"rewrite.Regex: cannot be used together with Path, Prefix or Segments"}},
		{"a substitute alone", Config{Substitute: "a"}, []string{`rewrite.Substitute: has no effect without Regex (got "a")`}},
		{"a prefix alone", Config{Prefix: "/a"}, []string{`rewrite.Prefix: has no effect without Path (got "/a")`}},
		{"segments of nothing", Config{Segments: true, Path: "b"}, []string{
			`rewrite.Prefix: must begin with a slash to be taken by segments (got "")`,
			`rewrite.Path: must begin with one slash to be taken by segments (got "b")`,
		}},
		{"a path that cannot be sent", Config{Path: "/a b"}, []string{`rewrite.Path: must not hold spaces or control characters (got "/a b")`}},
		{"a path with a fragment", Config{Path: "/a#b"}, []string{`rewrite.Path: must not hold #: a request has no fragment (got "/a#b")`}},
		{"a host that is none", Config{Host: "a b"}, []string{`rewrite.Host: cannot be a host (got "a b")`}},
		{"the host twice", Config{Host: "a", Request: []Headers{{Set: http.Header{"Host": {"b"}}}}}, []string{`rewrite.Host: is set to "b" by Request, too (got "a")`}},
		{"the host twice in headers", Config{Request: []Headers{{Set: http.Header{"host": {"a"}}}, {Add: http.Header{":authority": {"b"}}}}}, []string{`rewrite.Request[1].Add[":authority"]: the host can be set once only`}},
		{"names", Config{
			Request:  []Headers{{Set: http.Header{"": {"a"}, "x a": {"b"}, ":path": {"/"}}, Remove: []string{"host", ""}}},
			Response: []Headers{{Add: http.Header{"Host": {"a"}}}},
		}, []string{
			`rewrite.Request[0].Remove[0]: can only be set, and only in requests (got "host")`,
			`rewrite.Request[0].Remove[1]: cannot be the name of a header (got "")`,
			`rewrite.Request[0].Set[""]: cannot be the name of a header (got "")`,
			`rewrite.Request[0].Set[":path"]: cannot be the name of a header (got ":path")`,
			`rewrite.Request[0].Set["x a"]: cannot be the name of a header (got "x a")`,
			`rewrite.Response[0].Add["Host"]: can only be set, and only in requests (got "Host")`,
		}},
		{"a name in two spellings", Config{Request: []Headers{{Set: http.Header{"X-A": {"1"}, "x-a": {"2"}}}}}, []string{`rewrite.Request[0].Set["x-a"]: is there in another spelling`}},
		{"a control character", Config{Request: []Headers{{Set: http.Header{"X": {"a\nb"}}}}}, []string{`rewrite.Request[0].Set["X"]: must not hold control characters (got "a\nb")`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.c)
			var got []string
			for p := range mesh.Problems(err) {
				got = append(got, p.Error())
			}
			require.Equal(t, c.want, got)
		})
	}
	w := rewriter(t, Config{Path: "/a"})
	require.Error(t, w.Update(Config{Regex: "("}))
	require.Equal(t, "/a", w.now.Load().path.to)
	require.NoError(t, w.Update(Config{}))
	require.Nil(t, w.now.Load().path)
}
