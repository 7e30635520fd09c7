package rewrite

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/corpus"
	"github.com/sidecarless/mesh/internal/leak"
	"github.com/sidecarless/mesh/match"
)

func TestMain(m *testing.M) { leak.Main(m) }

// What a recorded case of Envoy holds.
type envoyCase struct {
	ID             string
	Host, Path     string
	Route          envoyRoute
	VirtualHost    envoyLevel  `json:"virtual_host"`
	RouteConfig    envoyLevel  `json:"route_config"`
	RequestHeaders [][2]string `json:"request_headers"`

	Status       int
	Location     string
	UpstreamPath string   `json:"upstream_path"`
	UpstreamHost string   `json:"upstream_host"`
	UpstreamXT   []string `json:"upstream_x_t"`
	ResponseXT   []string `json:"response_x_t"`
	Added        []string
}

type envoyRoute struct {
	envoyLevel
	Match struct {
		Prefix, Path  string
		Separated     string `json:"path_separated_prefix"`
		CaseSensitive *bool  `json:"case_sensitive"`
	}
	Route struct {
		Cluster       string
		PrefixRewrite string                          `json:"prefix_rewrite"`
		Regex         envoyRegex                      `json:"regex_rewrite"`
		HostLiteral   string                          `json:"host_rewrite_literal"`
		HostHeader    string                          `json:"host_rewrite_header"`
		HostRegex     envoyRegex                      `json:"host_rewrite_path_regex"`
		AutoHost      bool                            `json:"auto_host_rewrite"`
		Template      any                             `json:"path_rewrite_policy"`
		Weighted      struct{ Clusters []envoyLevel } `json:"weighted_clusters"`
	}
	Redirect struct {
		HTTPS         bool       `json:"https_redirect"`
		Scheme        string     `json:"scheme_redirect"`
		Host          string     `json:"host_redirect"`
		Port          uint16     `json:"port_redirect"`
		Path          string     `json:"path_redirect"`
		PrefixRewrite string     `json:"prefix_rewrite"`
		Regex         envoyRegex `json:"regex_rewrite"`
		StripQuery    bool       `json:"strip_query"`
		Code          string     `json:"response_code"`
	}
	Direct *struct{ Status int } `json:"direct_response"`
}

type envoyRegex struct {
	Pattern      struct{ Regex string }
	Substitution string
}

type envoyLevel struct {
	RequestAdd     []envoyHeader `json:"request_headers_to_add"`
	RequestRemove  []string      `json:"request_headers_to_remove"`
	ResponseAdd    []envoyHeader `json:"response_headers_to_add"`
	ResponseRemove []string      `json:"response_headers_to_remove"`
}

type envoyHeader struct {
	Action string `json:"append_action"`
	Header struct{ Key, Value string }
}

// headers is the level as Headers; ok is false for actions that Istio does not
// have.
func headers(add []envoyHeader, remove []string) (h Headers, ok bool) {
	h = Headers{Set: http.Header{}, Add: http.Header{}, Remove: remove}
	for _, a := range add {
		switch a.Action {
		case "":
			h.Add.Add(a.Header.Key, a.Header.Value)
		case "OVERWRITE_IF_EXISTS_OR_ADD":
			h.Set.Add(a.Header.Key, a.Header.Value)
		default:
			return h, false
		}
	}
	return h, true
}

// config is the case's configuration as ours.
func (c envoyCase) config(t *testing.T) (Config, bool) {
	r := c.Route.Route
	if r.HostHeader != "" || r.HostRegex.Substitution != "" || r.AutoHost || r.Template != nil {
		return Config{}, false
	}
	cfg := Config{
		Prefix: c.Route.Match.Prefix + c.Route.Match.Separated, Path: r.PrefixRewrite,
		Regex: r.Regex.Pattern.Regex, Substitute: r.Regex.Substitution,
		Host: r.HostLiteral, Originals: true,
	}
	if cfg.Path == "" {
		cfg.Prefix = ""
	}
	levels := append([]envoyLevel{}, r.Weighted.Clusters...)
	for _, l := range append(levels, c.Route.envoyLevel, c.VirtualHost, c.RouteConfig) {
		request, ok1 := headers(l.RequestAdd, l.RequestRemove)
		response, ok2 := headers(l.ResponseAdd, l.ResponseRemove)
		if !ok1 || !ok2 {
			return Config{}, false
		}
		cfg.Request, cfg.Response = append(cfg.Request, request), append(cfg.Response, response)
	}
	return cfg, true
}

// replay calls f with each case of a recording that we have words for, and fails
// if these are fewer than least.
func replay(t *testing.T, name string, least int, f func(*testing.T, envoyCase) bool) {
	t.Helper()
	played := 0
	for _, c := range corpus.Cases[envoyCase](t, "envoy/"+name) {
		t.Run(c.ID, func(t *testing.T) {
			if f(t, c) {
				played++
			}
		})
	}
	require.GreaterOrEqual(t, played, least)
}

func (c envoyCase) request() *http.Request {
	r, err := http.NewRequest("GET", "http://"+c.Host+c.Path, nil)
	if err != nil {
		panic(err)
	}
	for _, h := range c.RequestHeaders {
		r.Header.Add(h[0], h[1])
	}
	return r
}

// upstream is the server behind the recordings: it keeps the request, and answers
// with the header that x-b asks for.
type upstream struct {
	t    *testing.T
	down bool
	got  *http.Request
}

func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	u.got = r
	if u.down {
		return nil, &mesh.Error{Flag: mesh.ConnectFailure, Status: 503}
	}
	res := &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}
	if v, ok := strings.CutPrefix(r.Header.Get("X-B"), "h=x-t:"); ok {
		value, _, _ := strings.Cut(v, ";")
		res.Header.Set("X-T", value)
	}
	return res, nil
}

func TestRewritesAreEnvoys(t *testing.T) {
	replay(t, "rewrite", 18, func(t *testing.T, c envoyCase) bool {
		cfg, ok := c.config(t)
		if !ok {
			return false
		}
		u := &upstream{t: t}
		_, err := rewriter(t, cfg).Transport(u).RoundTrip(c.request())
		require.NoError(t, err)
		v := match.ViewOf(u.got)
		require.Equal(t, c.UpstreamPath, v.Target())
		require.Equal(t, c.UpstreamHost, v.Host())
		require.Equal(t, c.UpstreamPath, u.got.URL.RequestURI(), "what net/http sends")
		require.Equal(t, c.Added, added(u.got.Header))

		// A handler sees the same.
		r := httptest.NewRequest("GET", "http://"+c.Host+c.Path, nil)
		r.RequestURI = c.Path
		rewriter(t, cfg).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			v := match.ViewOf(r)
			require.Equal(t, c.UpstreamPath, v.Target())
			require.Equal(t, c.UpstreamPath, r.RequestURI)
			require.Equal(t, c.UpstreamHost, r.Host)
			require.Equal(t, c.Added, added(r.Header))
		})).ServeHTTP(httptest.NewRecorder(), r)
		return true
	})
}

// added are the headers that a rewrite added, as the recording has them.
func added(h http.Header) (lines []string) {
	for _, name := range []string{originalHost, originalPath} {
		for _, v := range h[name] {
			lines = append(lines, strings.ToLower(name)+": "+v)
		}
	}
	return lines
}

func TestHeaderChangesAreEnvoys(t *testing.T) {
	replay(t, "header_mutation", 13, func(t *testing.T, c envoyCase) bool {
		cfg, ok := c.config(t)
		if !ok {
			return false
		}
		u := &upstream{t: t, down: c.Route.Route.Cluster == "dead"}
		next := http.RoundTripper(u)
		if c.Route.Direct != nil {
			next = Reply{Status: c.Route.Direct.Status}
		}
		res, err := mesh.Chain(mesh.ErrorsAsResponses, rewriter(t, cfg).Transport)(next).RoundTrip(c.request())
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, c.Status, res.StatusCode)
		require.Equal(t, c.ResponseXT, res.Header["X-T"])
		if u.got != nil && !u.down {
			require.Equal(t, c.UpstreamXT, u.got.Header["X-T"])
		}

		// A handler makes the same changes.
		r, w := httptest.NewRequest("GET", "http://"+c.Host+c.Path, nil), httptest.NewRecorder()
		r.RequestURI, r.Header = c.Path, c.request().Header
		rewriter(t, cfg).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if c.Route.Direct == nil && !u.down {
				require.Equal(t, c.UpstreamXT, r.Header["X-T"])
			}
			res, err := next.RoundTrip(r)
			if err != nil {
				mesh.WriteError(w, r, err)
				return
			}
			for _, v := range res.Header["X-T"] {
				w.Header().Add("X-T", v)
			}
			_, _ = io.Copy(w, res.Body)
		})).ServeHTTP(w, r)
		require.Equal(t, c.Status, w.Code)
		require.Equal(t, c.ResponseXT, w.Header()["X-T"])
		return true
	})
}

func TestRedirectsAreEnvoys(t *testing.T) {
	codes := map[string]int{"": 0, "MOVED_PERMANENTLY": 301, "FOUND": 302, "SEE_OTHER": 303, "TEMPORARY_REDIRECT": 307, "PERMANENT_REDIRECT": 308}
	replay(t, "redirect", 15, func(t *testing.T, c envoyCase) bool {
		e := c.Route.Redirect
		if e.Regex.Substitution != "" {
			return false
		}
		d := Redirect{Status: codes[e.Code], Scheme: e.Scheme, Host: e.Host, Port: e.Port, Path: e.Path, StripQuery: e.StripQuery}
		if e.HTTPS {
			d.Scheme = "https"
		}
		if e.PrefixRewrite != "" {
			d.Prefix, d.Path = c.Route.Match.Prefix, e.PrefixRewrite
		}
		require.NoError(t, d.Validate())
		res, err := d.RoundTrip(c.request())
		require.NoError(t, err)
		require.Equal(t, c.Status, res.StatusCode)
		require.Equal(t, c.Location, res.Header.Get("Location"))
		require.Zero(t, res.ContentLength)

		r, w := httptest.NewRequest("GET", c.Path, nil), httptest.NewRecorder()
		r.Host = c.Host
		d.ServeHTTP(w, r)
		require.Equal(t, c.Status, w.Code)
		require.Equal(t, c.Location, w.Header().Get("Location"))
		require.Equal(t, "0", w.Header().Get("Content-Length"))
		require.Empty(t, w.Body.String())
		return true
	})
}

func rewriter(t testing.TB, c Config) *Rewriter {
	t.Helper()
	w, err := New(c)
	require.NoError(t, err)
	return w
}
