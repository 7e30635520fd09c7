package rewrite

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// exchange sends a request with headers through w to a server that answers with
// headers, and returns the headers that each side got.
func exchange(t *testing.T, w *Rewriter, request, answer http.Header) (upstream, downstream http.Header) {
	t.Helper()
	r := requestFor("/")
	r.Header = request.Clone()
	before := r.Header.Clone()
	res, err := w.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		upstream = r.Header
		return &http.Response{StatusCode: 200, Header: answer.Clone(), Body: http.NoBody}, nil
	})).RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, before, r.Header, "the caller's header")
	return upstream, res.Header
}

func TestNothingIsSentForAUserAgentThatIsTakenAway(t *testing.T) {
	got := make(chan http.Header, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	defer server.Close()
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	w := rewriter(t, Config{Request: []Headers{{Remove: []string{"user-agent"}}}})
	for _, agent := range []string{"", "curl"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		if agent != "" {
			r.Header.Set("User-Agent", agent)
		}
		res, err := w.Transport(transport).RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.NotContains(t, <-got, "User-Agent")
	}
}

// The cases are what a sidecar did for the same rules.
func TestHeaders(t *testing.T) {
	set := []Headers{{
		Set:    http.Header{"x-set": {"new"}, "x-new": {"made"}, "user-agent": {"mesh"}},
		Add:    http.Header{"x-add": {"more"}, "x-new2": {"one"}},
		Remove: []string{"x-gone"},
	}}
	rule := Headers{Set: http.Header{"x-both": {"route"}}, Add: http.Header{"x-list": {"route"}}, Remove: []string{"x-dest"}}
	destination := Headers{Set: http.Header{"x-both": {"dest"}, "x-dest": {"dest"}}, Add: http.Header{"x-list": {"dest"}}}
	for _, c := range []struct {
		name     string
		levels   []Headers
		in, want http.Header
	}{
		{"set, add and remove", set,
			http.Header{"X-Set": {"old"}, "X-Add": {"first"}, "X-Gone": {"1"}, "User-Agent": {"curl"}, "X-Keep": {"k"}},
			http.Header{"X-Set": {"new"}, "X-New": {"made"}, "X-New2": {"one"}, "X-Add": {"first", "more"}, "User-Agent": {"mesh"}, "X-Keep": {"k"}}},
		{"several lines are replaced by one", set,
			http.Header{"X-Set": {"a", "b"}},
			http.Header{"X-Set": {"new"}, "X-New": {"made"}, "X-New2": {"one"}, "X-Add": {"more"}, "User-Agent": {"mesh"}}},
		{"names of which Envoy keeps one line", []Headers{{Add: http.Header{"cache-control": {"no-store"}, "via": {"b", "c"}, "cookie": {"b=2"}}}},
			http.Header{"Cache-Control": {"private"}, "Via": {""}, "Cookie": {"a=1"}},
			http.Header{"Cache-Control": {"private,no-store"}, "Via": {"b,c"}, "Cookie": {"a=1", "b=2"}}},
		{"one destination: the rule first", []Headers{rule, destination},
			http.Header{"X-Both": {"client"}, "X-List": {"client"}, "X-Dest": {"client"}},
			http.Header{"X-Both": {"dest"}, "X-List": {"client", "route", "dest"}, "X-Dest": {"dest"}}},
		{"several destinations: the rule last", []Headers{destination, rule},
			http.Header{"X-Both": {"client"}, "X-List": {"client"}, "X-Dest": {"client"}},
			http.Header{"X-Both": {"route"}, "X-List": {"client", "dest", "route"}}},
		{"removed and set: the set value stays", []Headers{{Set: http.Header{"X-A": {"new"}}, Remove: []string{"X-A"}}},
			http.Header{"X-A": {"old"}}, http.Header{"X-A": {"new"}}},
		{"set and added: both, in this order", []Headers{{Set: http.Header{"X-A": {"set"}}, Add: http.Header{"X-A": {"add"}}}},
			http.Header{"X-A": {"old"}}, http.Header{"X-A": {"set", "add"}}},
		{"an empty value does nothing", []Headers{{Set: http.Header{"X-A": {""}, "X-B": {""}}, Add: http.Header{"X-A": {""}}}},
			http.Header{"X-A": {"old"}}, http.Header{"X-A": {"old"}}},
		{"several values at once", []Headers{{Set: http.Header{"X-A": {"1", "", "2"}}}},
			http.Header{"X-A": {"old"}}, http.Header{"X-A": {"1", "2"}}},
		{"a per cent sign", []Headers{{Set: http.Header{"X-A": {"100%%"}}}}, http.Header{}, http.Header{"X-A": {"100%"}}},
		{"commands of a level see its removals and not its sets", []Headers{
			{Set: http.Header{"X-A": {"new"}, "X-B": {"%REQ(x-a)%"}, "X-C": {"%REQ(x-gone)%"}}, Remove: []string{"X-Gone"}},
			{Set: http.Header{"X-D": {"%REQ(x-a)%"}}},
		}, http.Header{"X-A": {"old"}, "X-Gone": {"1"}}, http.Header{"X-A": {"new"}, "X-B": {"old"}, "X-D": {"new"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			upstream, _ := exchange(t, rewriter(t, Config{Request: c.levels}), c.in, http.Header{})
			require.Equal(t, c.want, upstream)
			// An answer's headers change by the same rules.
			response := make([]Headers, len(c.levels))
			for i, l := range c.levels {
				response[i] = Headers{Set: inAnswer(l.Set), Add: l.Add, Remove: l.Remove}
			}
			_, downstream := exchange(t, rewriter(t, Config{Response: response}), http.Header{}, c.in)
			require.Equal(t, c.want, downstream)
		})
	}
}

// inAnswer lets commands read the answer in place of the request.
func inAnswer(h http.Header) http.Header {
	h = h.Clone()
	for _, values := range h {
		for i, v := range values {
			values[i] = strings.ReplaceAll(v, "%REQ(", "%RESP(")
		}
	}
	return h
}

func TestTheHostIsSetByItsHeader(t *testing.T) {
	for _, name := range []string{"Host", "host", ":authority"} {
		w := rewriter(t, Config{Request: []Headers{{Set: http.Header{name: {"other.example.com"}}}}, Originals: true})
		var got *http.Request
		_, err := w.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			got = r
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		})).RoundTrip(requestFor("/"))
		require.NoError(t, err)
		require.Equal(t, "other.example.com", got.Host)
		require.Equal(t, "reviews", got.URL.Host, "the connection goes to where it went")
		require.Equal(t, http.Header{originalHost: {"reviews"}}, got.Header)
	}
}

type host string

func (h host) Addr() string { return string(h) }

func TestCommands(t *testing.T) {
	r := httptest.NewRequest("GET", "https://reviews:8443/a?q=1", nil)
	r.RemoteAddr = "[2001:db8::1]:4711"
	r.TLS = &tls.ConnectionState{ServerName: "reviews.example"}
	r.Header.Set("X-A", "some text")
	r = r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 8443})))
	f, r := flow.EnsureServed(r)
	f.Start = time.Date(2026, 1, 2, 15, 4, 5, 6e6, time.FixedZone("", 3600))
	f.Route, f.Upstream = "rule", "cluster"
	f.First.Host = host("10.0.0.2:80")
	f.First.Begin()
	name, err := os.Hostname()
	require.NoError(t, err)
	s := &scope{r: r, header: http.Header{"X-R": {"answer"}}, status: 404}
	for value, want := range map[string]string{
		"":                                       "",
		"text":                                   "text",
		"100%%":                                  "100%",
		"%%%%":                                   "%%",
		"%REQ(x-a)%":                             "some text",
		"%REQ(X-A):4%":                           "some",
		"%REQ(X-A):400%":                         "some text",
		"%REQ(x-none)%":                          "",
		"a-%REQ(x-none)%-b":                      "a--b",
		"%REQ(x-none?x-a)%":                      "some text",
		"%REQ(x-a?x-none)%":                      "some text",
		"%REQ(:method)%":                         "GET",
		"%REQ(:path)%":                           "/a?q=1",
		"%REQ(:authority)%":                      "reviews:8443",
		"%REQ(host)%":                            "reviews:8443",
		"%REQ(:scheme)%":                         "https",
		"%REQUEST_HEADER(x-none?x-a):4%":         "some",
		"%RESPONSE_HEADER(x-none?x-r)%":          "answer",
		"%RESP(x-r)%":                            "answer",
		"%RESP(x-none?x-r):3%":                   "ans",
		"%RESP(:status)%":                        "404",
		"%RESPONSE_CODE%":                        "404",
		"%PROTOCOL%":                             "HTTP/1.1",
		"%START_TIME%":                           "2026-01-02T14:04:05.006Z",
		"%HOSTNAME%":                             name,
		"%ROUTE_NAME%":                           "rule",
		"%UPSTREAM_CLUSTER%":                     "cluster",
		"%UPSTREAM_CLUSTER_RAW%":                 "cluster",
		"%UPSTREAM_HOST%":                        "10.0.0.2:80",
		"%UPSTREAM_REMOTE_ADDRESS%":              "10.0.0.2:80",
		"%UPSTREAM_REMOTE_PORT%":                 "80",
		"%RESPONSE_FLAGS%":                       "-",
		"%RESPONSE_CODE_DETAILS%":                "via_upstream",
		"%QUERY_PARAM(q)%":                       "1",
		"%QUERY_PARAM(none)%":                    "",
		"%QUERY_PARAMS%":                         "q=1",
		"%PATH%":                                 "/a?q=1",
		"%PATH(WQ)%":                             "/a?q=1",
		"%PATH(NQ)%":                             "/a",
		"%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%": "10.0.0.2",
		"%UPSTREAM_REQUEST_ATTEMPT_COUNT%":       "1",
		"%REQUESTED_SERVER_NAME%":                "reviews.example",
		"%DOWNSTREAM_REMOTE_ADDRESS%":            "[2001:db8::1]:4711",
		"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%": "2001:db8::1",
		"%DOWNSTREAM_REMOTE_PORT%":                 "4711",
		"%DOWNSTREAM_LOCAL_ADDRESS%":               "10.0.0.1:8443",
		"%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%":  "10.0.0.1",
		"%DOWNSTREAM_LOCAL_PORT%":                  "8443",
		"<%PROTOCOL%|%REQ(x-a)%>":                  "<HTTP/1.1|some text>",
	} {
		template, err := parseTemplate(value)
		require.NoError(t, err, value)
		require.Equal(t, want, template.eval(s), value)
	}
	own := &scope{r: requestFor("/")}
	for value, want := range map[string]string{
		"%PROTOCOL%": "HTTP/1.1", "%ROUTE_NAME%": "", "%UPSTREAM_HOST%": "", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%": "",
		"%DOWNSTREAM_LOCAL_PORT%": "", "%REQUESTED_SERVER_NAME%": "", "%RESPONSE_CODE_DETAILS%": "", "%RESPONSE_FLAGS%": "-",
		"%UPSTREAM_REQUEST_ATTEMPT_COUNT%": "1",
	} {
		template, err := parseTemplate(value)
		require.NoError(t, err, value)
		require.Equal(t, want, template.eval(own), "%s of a request that a program makes", value)
	}
}

func TestCommandsOfARefusal(t *testing.T) {
	f, r := flow.Ensure(requestFor("/new"))
	r.Header = http.Header{"X-Envoy-Original-Path": {"/old?q"}}
	f.Upstream = "outbound|80||reviews"
	f.Tell().Flags = mesh.RetriesExhausted
	s := &scope{r: r, header: http.Header{}, status: 503, err: &mesh.Error{Flag: mesh.Overflow, Details: "overflow"}}
	for value, want := range map[string]string{
		"%RESPONSE_FLAGS%": string(mesh.RetriesExhausted.With(mesh.Overflow)), "%RESPONSE_CODE_DETAILS%": "overflow",
		"%UPSTREAM_CLUSTER%": "outbound|80||reviews;", "%UPSTREAM_CLUSTER_RAW%": "outbound|80||reviews",
		"%UPSTREAM_REQUEST_ATTEMPT_COUNT%": "0", "%UPSTREAM_REMOTE_PORT%": "", "%PATH%": "/old?q", "%PATH(NQ)%": "/old",
	} {
		template, err := parseTemplate(value)
		require.NoError(t, err, value)
		require.Equal(t, want, template.eval(s), value)
	}
}

func TestCommandsThatAreProblems(t *testing.T) {
	for value, want := range map[string]string{
		"50%":                "a lone % is no text; write %% for a per cent sign",
		"% ":                 "a lone % is no text; write %% for a per cent sign",
		"%req(x)%":           "a lone % is no text; write %% for a per cent sign",
		"%PROTOCOL":          "the command %PROTOCOL does not end in %; write %% for a per cent sign",
		"%NONSENSE%":         "the command %NONSENSE% is not known",
		"%REQ(x":             "the command %REQ has a bracket that is not closed",
		"%REQ(x):%":          "the command %REQ has a length that is no number",
		"%REQ(x):a%":         "the command %REQ has a length that is no number",
		"%REQ()%":            "the command %REQ()% needs the name of a header",
		"%REQ%":              "the command %REQ()% needs the name of a header",
		"%REQ(x?)%":          "the command %REQ(x?)% needs the name of a header",
		"%REQ(a b)%":         "the command %REQ(a b)% needs the name of a header",
		"%QUERY_PARAM%":      "the command %QUERY_PARAM()% needs the name of a parameter",
		"%QUERY_PARAM()%":    "the command %QUERY_PARAM()% needs the name of a parameter",
		"%PATH(X)%":          "the command %PATH% with arguments is not known",
		"%PROTOCOL(x)%":      "the command %PROTOCOL% with arguments is not known",
		"%START_TIME(%s)%":   "the command %START_TIME% with arguments is not known",
		"ok %PROTOCOL% 50% ": "a lone % is no text; write %% for a per cent sign",
	} {
		_, err := parseTemplate(value)
		require.EqualError(t, err, want, value)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"%REQ(x?y):3%", "100%%", "%PROTOCOL%", "%RESP(:status)%", "%", "%REQ(:path)%%"} {
		f.Add(s)
	}
	s := &scope{r: requestFor("/a"), header: http.Header{}, status: 200}
	f.Fuzz(func(t *testing.T, value string) {
		template, err := parseTemplate(value)
		if err != nil {
			return
		}
		got := template.eval(s)
		if !strings.Contains(value, "%") && got != value {
			t.Errorf("%q is %q", value, got)
		}
	})
}

func TestErrorsCarryTheHeadersOfTheirReply(t *testing.T) {
	w := rewriter(t, Config{Response: []Headers{{Set: http.Header{"X-Rule": {"r %RESPONSE_CODE%"}}}}})
	refusal := &mesh.Error{Op: "breaker", Flag: mesh.Overflow, Status: 503, Header: http.Header{"Retry-After": {"1"}}, Err: io.ErrNoProgress}
	_, err := w.Transport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, refusal })).RoundTrip(requestFor("/"))
	var e *mesh.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, http.Header{"Retry-After": {"1"}, "X-Rule": {"r 503"}}, e.Header)
	require.ErrorIs(t, err, io.ErrNoProgress)
	require.Equal(t, http.Header{"Retry-After": {"1"}}, refusal.Header, "the refusal itself is not changed")

	for _, other := range []error{errors.New("broken"), context.Canceled, &mesh.Error{Flag: mesh.ClientGone}} {
		_, err := w.Transport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, other })).RoundTrip(requestFor("/"))
		require.Same(t, other, err)
	}
}

func TestTheCallersRequestIsNotChanged(t *testing.T) {
	w := rewriter(t, Config{
		Prefix: "/a", Path: "/b", Host: "other", Originals: true,
		Request: []Headers{{Set: http.Header{"X-A": {"new"}}, Remove: []string{"X-B"}}},
	})
	r := httptest.NewRequest("GET", "http://reviews/a/x", nil)
	r.Header = http.Header{"X-A": {"old"}, "X-B": {"old"}}
	before, header, url := *r, r.Header.Clone(), *r.URL
	_, err := w.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})).RoundTrip(r)
	require.NoError(t, err)
	w.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, before, *r)
	require.Equal(t, header, r.Header)
	require.Equal(t, url, *r.URL)
}

func TestARequestKeepsItsHeaderMapUnlessHeadersChange(t *testing.T) {
	r := requestFor("/a")
	r.Header["X-A"] = []string{"1"}
	_, err := rewriter(t, Config{Path: "/b", Host: "other"}).Transport(roundTripper(func(got *http.Request) (*http.Response, error) {
		got.Header["X-Same"] = nil // the same map shows it on both sides
		return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
	})).RoundTrip(r)
	require.NoError(t, err)
	require.Contains(t, r.Header, "X-Same")
}

func TestAllocations(t *testing.T) {
	res := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}
	stub := roundTripper(func(*http.Request) (*http.Response, error) { return res, nil })
	r := requestFor("/a/x")
	for i := range 6 {
		r.Header["X-"+string(rune('A'+i))] = []string{"value"}
	}
	for _, c := range []struct {
		name string
		c    Config
		most float64
	}{
		{"nothing to change", Config{}, 0},
		{"a host: the copy of the request", Config{Host: "other"}, 1},
		{"a path: also its URL and its text", Config{Prefix: "/a", Path: "/b"}, 3},
		{"a header of the answer: its value", Config{Response: []Headers{{Set: http.Header{"X-A": {"1"}}}}}, 1},
		{"a header: copies of request and header, and its value", Config{Request: []Headers{{Set: http.Header{"X-A": {"1"}}}}}, 5},
	} {
		rt := rewriter(t, c.c).Transport(stub)
		got := testing.AllocsPerRun(100, func() { _, _ = rt.RoundTrip(r) })
		require.LessOrEqual(t, got, c.most, c.name)
	}
}

func TestTheRemoteAddressIsWhoeverASidecarTakesItFor(t *testing.T) {
	r := requestFor("/")
	r.RemoteAddr = "10.0.0.1:4711"
	f, r := flow.Ensure(r)
	f.Tell().Remote = "10.1.2.3:0"
	for value, want := range map[string]string{
		"%DOWNSTREAM_REMOTE_ADDRESS%":                     "10.1.2.3:0",
		"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%":        "10.1.2.3",
		"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%":              "10.0.0.1:4711",
		"%DOWNSTREAM_DIRECT_REMOTE_PORT%":                 "4711",
		"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%": "10.0.0.1",
	} {
		template, err := parseTemplate(value)
		require.NoError(t, err)
		require.Equal(t, want, template.eval(&scope{r: r}), value)
	}
}
