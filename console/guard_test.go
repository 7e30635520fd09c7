package console_test

import (
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/console"
	"github.com/sidecarless/mesh/split"
)

func noWeights() iter.Seq2[string, uint32] { return func(func(string, uint32) bool) {} }

func TestWhoMayLook(t *testing.T) {
	everybody := func(*http.Request) bool { return true }
	for name, tt := range map[string]struct {
		config     console.Config
		remote     string
		host       string
		headers    []string
		wantStatus int
	}{
		"this machine":                          {remote: "127.0.0.1:1", host: "localhost:8080", wantStatus: 200},
		"this machine by IPv6":                  {remote: "[::1]:1", host: "[::1]:8080", wantStatus: 200},
		"this machine, mapped":                  {remote: "[::ffff:127.0.0.1]:1", host: "127.0.0.1", wantStatus: 200},
		"another machine":                       {remote: "10.0.0.1:1", host: "localhost", wantStatus: 403},
		"no address":                            {remote: "@", host: "localhost", wantStatus: 403},
		"a proxy on this machine":               {remote: "127.0.0.1:1", host: "localhost", headers: []string{"X-Forwarded-For", "1.2.3.4"}, wantStatus: 403},
		"another machine that may":              {config: console.Config{Remote: everybody}, remote: "10.0.0.1:1", host: "10.0.0.2:8080", wantStatus: 200},
		"a callback that refuses":               {config: console.Config{Remote: func(*http.Request) bool { return false }}, remote: "127.0.0.1:1", host: "localhost", wantStatus: 403},
		"a name pointed here":                   {remote: "127.0.0.1:1", host: "evil.example", wantStatus: 403},
		"a name pointed here, though all may":   {config: console.Config{Remote: everybody}, remote: "10.0.0.1:1", host: "evil.example:8080", wantStatus: 403},
		"a name that is known":                  {config: console.Config{Hosts: []string{"mesh.corp.example"}}, remote: "127.0.0.1:1", host: "MESH.corp.example:80", wantStatus: 200},
		"a name below one that is known":        {config: console.Config{Hosts: []string{"corp.example"}}, remote: "127.0.0.1:1", host: "evil.corp.example", wantStatus: 403},
		"a name of a local network":             {config: console.Config{Remote: everybody}, remote: "10.0.0.1:1", host: "proxy:15000", wantStatus: 200},
		"a name of a cluster":                   {config: console.Config{Remote: everybody}, remote: "10.0.0.1:1", host: "proxy.default.svc.cluster.local:15000", wantStatus: 200},
		"no name":                               {remote: "127.0.0.1:1", host: "", wantStatus: 403},
		"an address in the name of a stranger":  {remote: "127.0.0.1:1", host: "127.0.0.1.evil.example", wantStatus: 403},
		"localhost in the name of a stranger":   {remote: "127.0.0.1:1", host: "localhost.evil.example", wantStatus: 403},
		"a stranger's name with a final dot":    {remote: "127.0.0.1:1", host: "evil.example.", wantStatus: 403},
		"localhost with a final dot is as good": {remote: "127.0.0.1:1", host: "localhost.", wantStatus: 200},
	} {
		t.Run(name, func(t *testing.T) {
			page := newConsole(t, tt.config)
			for _, path := range []string{"/", "/stats", "/ready", "/console.js"} {
				r := httptest.NewRequest(http.MethodGet, "http://x"+path, nil)
				r.RemoteAddr, r.Host = tt.remote, tt.host
				for i := 0; i < len(tt.headers); i += 2 {
					r.Header.Set(tt.headers[i], tt.headers[i+1])
				}
				w := httptest.NewRecorder()
				page.ServeHTTP(w, r)
				require.Equal(t, tt.wantStatus, w.Code, "%s %s", path, w.Body)
			}
		})
	}
}

func TestHeadersThatProtect(t *testing.T) {
	page := newConsole(t, console.Config{})
	for _, path := range []string{"/", "/nothing", "/console.js", "/stats"} {
		h := get(page, path).Header()
		require.Equal(t, "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "+
			"frame-ancestors 'none'; base-uri 'none'; form-action 'self'", h.Get("Content-Security-Policy"))
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		require.Equal(t, "same-origin", h.Get("Referrer-Policy"))
	}
	require.Equal(t, "no-store", get(page, "/").Header().Get("Cache-Control"))
}

func TestNothingButWeightsTakesAPost(t *testing.T) {
	page := newConsole(t, console.Config{})
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		for _, path := range []string{"/", "/stats", "/config_dump", "/weights"} {
			r := httptest.NewRequest(method, "http://localhost"+path, nil)
			r.RemoteAddr = "127.0.0.1:1"
			w := httptest.NewRecorder()
			page.ServeHTTP(w, r)
			if method == http.MethodPost && path == "/weights" {
				require.Equal(t, http.StatusForbidden, w.Code)
				continue
			}
			require.Equal(t, http.StatusMethodNotAllowed, w.Code)
			require.Contains(t, w.Header().Get("Allow"), "GET")
		}
	}
}

var tokenOf = regexp.MustCompile(`name="token" value="([^"]+)"`)

func TestWeightsChangeOnlyForThoseWhoMay(t *testing.T) {
	allowed := true
	s, err := split.New(split.Branch[int]{Name: "v1", Weight: 90, Value: 1}, split.Branch[int]{Name: "v2", Weight: 10, Value: 2})
	require.NoError(t, err)
	page := newConsole(t, console.Config{
		Splits: []console.Split{console.SplitOf("reviews", s), {Name: "fixed", Weights: noWeights}},
		Change: func(*http.Request) bool { return allowed },
	})
	found := tokenOf.FindStringSubmatch(get(page, "/weights", "Accept", "text/html").Body.String())
	require.Len(t, found, 2)
	token := found[1]
	post := func(form string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "http://localhost:8080/weights", strings.NewReader(form))
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(headers); i += 2 {
			if headers[i] == "Host" {
				r.Host = headers[i+1]
				continue
			}
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		return w
	}
	weights := func() string {
		var all []string
		for b := range s.Branches() {
			all = append(all, fmt.Sprint(b.Name, "=", b.Weight))
		}
		return strings.Join(all, " ")
	}
	form := func(token, split, v1, v2 string) string {
		return url.Values{"token": {token}, "split": {split}, "branch": {"v1", "v2"}, "weight": {v1, v2}}.Encode()
	}
	good := form(token, "reviews", "50", "50")
	for name, tt := range map[string]struct {
		form    string
		headers []string
		deny    bool
		status  int
	}{
		"without a token":                       {form: form("", "reviews", "50", "50"), status: 403},
		"with a wrong token":                    {form: form(token+"x", "reviews", "50", "50"), status: 403},
		"from a page of another site":           {form: good, headers: []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, status: 403},
		"from another port of the same site":    {form: good, headers: []string{"Sec-Fetch-Site", "same-site"}, status: 403},
		"from an old browser on another site":   {form: good, headers: []string{"Origin", "http://evil.example"}, status: 403},
		"from an origin that is none":           {form: good, headers: []string{"Origin", "null"}, status: 403},
		"from a name pointed here":              {form: good, headers: []string{"Host", "evil.example", "Origin", "http://evil.example", "Sec-Fetch-Site", "same-origin"}, status: 403},
		"from somebody who may not":             {form: good, deny: true, status: 403},
		"for a split that is not there":         {form: form(token, "other", "50", "50"), status: 400},
		"for a split that cannot be set":        {form: form(token, "fixed", "50", "50"), status: 400},
		"with a weight that is none":            {form: form(token, "reviews", "50", "-1"), status: 400},
		"with a weight that is too large":       {form: form(token, "reviews", "50", "4294967296"), status: 400},
		"with weights that the split refuses":   {form: form(token, "reviews", "0", "0"), status: 400},
		"for branches that are others by now":   {form: strings.Replace(good, "branch=v2", "branch=v3", 1), status: 409},
		"for fewer branches than there are":     {form: strings.Replace(good, "branch=v2&", "", 1), status: 409},
		"for more branches than there are":      {form: good + "&branch=v3&weight=1", status: 409},
		"with a form that is too long":          {form: good + "&x=" + strings.Repeat("x", 1<<20), status: 400},
		"with a weight missing":                 {form: strings.Replace(good, "weight=50&weight=50", "weight=50", 1), status: 400},
		"with broken escapes":                   {form: "token=%zz", status: 400},
		"from its own page is the only way, ok": {form: good, headers: []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://localhost:8080"}, status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			allowed = !tt.deny
			require.NoError(t, s.Update(split.Branch[int]{Name: "v1", Weight: 90, Value: 1}, split.Branch[int]{Name: "v2", Weight: 10, Value: 2}))
			w := post(tt.form, tt.headers...)
			require.Equal(t, tt.status, w.Code, w.Body)
			if tt.status == 200 {
				require.Equal(t, "v1=50 v2=50", weights())
			} else {
				require.Equal(t, "v1=90 v2=10", weights())
			}
		})
	}
	allowed = true
	w := post(good, "Accept", "text/html")
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.Equal(t, "weights?changed=reviews", w.Header().Get("Location"))
	require.Equal(t, http.StatusOK, post(good).Code, "a script with the token")

	shown := newConsole(t, console.Config{Splits: []console.Split{console.SplitOf("reviews", s)}})
	require.NotContains(t, get(shown, "/weights", "Accept", "text/html").Body.String(), "token")
}

// What a request or a resource is called must not become part of the page.
func TestNamesAreNoMarkup(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'`
	u := newUpstream(t, evil)
	config := &console.Configuration{
		Rules: []console.Rule{{
			Hosts: []string{evil}, Name: evil, Match: evil, Source: evil, Branches: []console.Branch{{Upstream: evil, Percent: 90}, {Upstream: evil + "2", Percent: 10}},
		}, {Name: evil + "3", Then: evil, Source: evil}},
		Resources: []console.Resource{{Kind: evil, Name: evil, Source: evil}},
		Warnings:  []*mesh.Problem{{Source: evil, Field: evil, Reason: evil}},
	}
	s, err := split.New(split.Branch[int]{Name: evil, Weight: 1, Value: 1})
	require.NoError(t, err)
	page := newConsole(t, console.Config{
		Title: evil, Splits: []console.Split{console.SplitOf(evil, s)}, Change: func(*http.Request) bool { return true },
		Sources: []console.Source{{
			Configuration: func() *console.Configuration { return config },
			Explain:       func(*http.Request) any { return evil },
			Reads:         func() *console.Reads { return &console.Reads{Headers: []string{"End-User"}, Queries: []string{"q"}} },
			Reload:        func() console.Reload { return console.Reload{Err: fmt.Errorf("%s\n%s", evil, evil)} },
		}},
	})
	_ = u
	r := httptest.NewRequest(http.MethodGet, "http://reviews/", nil)
	r.Header = http.Header{"End-User": {evil}, "X-Request-Id": {evil}}
	for range 2 {
		tell(page, record(func(rec *access.Record) {
			rec.Request = r
			rec.Method, rec.Host, rec.Path, rec.Route, rec.Branch, rec.Upstream, rec.Endpoint = evil, evil, "/"+evil+"?q="+evil, evil, evil, evil, evil
			rec.Flags, rec.Details, rec.Failure, rec.Status = mesh.Flag(evil), evil, evil, 503
			rec.Faults, rec.Mirrors = []string{evil}, []string{evil}
			rec.Tries = []mesh.Try{{N: 1, Endpoint: evil, Why: evil, Err: fmt.Errorf("%s", evil)}}
			rec.Last.Endpoint, rec.Last.N = evil, 2
		}))
	}
	q := url.QueryEscape(evil)
	for _, path := range []string{
		"/", "/decisions?route=" + q + "&upstream=" + q + "&code=" + q + "&flag=" + q + "&slow=" + q, "/decisions", "/decisions/2", "/clusters?name=" + q, "/clusters",
		"/events", "/config", "/explain?url=reviews&method=GET", "/explain?method=" + q + "&url=" + q + "&header=" + q, "/weights?changed=" + q,
	} {
		body := get(page, path, "Accept", "text/html").Body.String()
		require.NotContains(t, body, "<script>alert", path)
		require.NotContains(t, body, "<img", path)
		require.NotContains(t, body, `"><`+"script", path)
		require.Equal(t, 1, strings.Count(body, "<script"), path)
	}
	for _, path := range []string{"/", "/decisions", "/clusters", "/events", "/config"} {
		require.Equal(t, "text/plain; charset=utf-8", get(page, path).Header().Get("Content-Type"), "which browsers do not take for a page")
	}
}
