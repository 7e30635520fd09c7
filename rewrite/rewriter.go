package rewrite

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/rawpath"
	"github.com/sidecarless/mesh/match"
)

// Config says what is changed. Its zero value changes nothing.
type Config struct {
	// Path replaces Prefix at the beginning of the path, byte for byte: with "/a"
	// and "/b" the path /ab becomes /bb. An empty Prefix stands for the whole path,
	// as for a route that matched exactly or by an expression; a route that matches
	// all has the prefix "/". A path that does not begin with Prefix is left alone;
	// the case of letters does not count. The query stays. An empty Path changes
	// nothing.
	Prefix, Path string

	// Segments takes Prefix by whole segments: "/a" is at the beginning of /a and
	// /a/x and not of /ab, with or without a slash behind it, and the result has one
	// slash where Path meets the rest. An empty Path takes Prefix away. This is
	// ReplacePrefixMatch of the Gateway API.
	Segments bool

	// Regex is replaced wherever it is found in the path, which is without the
	// query, by Substitute. There \1 to \9 are groups, \0 is the whole match and \\
	// a backslash; a group that does not exist is a problem. The syntax is RE2's.
	Regex, Substitute string

	// Host replaces the request's host. The connection still goes to where the URL
	// says.
	Host string

	// Originals adds x-envoy-original-path, the path with its query, when a path is
	// given above, and x-envoy-original-host when a host is, also when nothing
	// changed by it. A sidecar adds them.
	Originals bool

	// Request and Response are changes of headers, level by level in this order.
	Request, Response []Headers
}

// A Rewriter changes requests and answers. It is made by [New] and may be used by
// many goroutines while it is updated.
type Rewriter struct {
	now atomic.Pointer[rules]
}

// rules are a Config, compiled.
type rules struct {
	path      *pathRule // nil for none
	host      string
	originals bool
	request   changes
	response  changes
	anonymous bool // requests lose their User-Agent
}

const (
	originalPath = "X-Envoy-Original-Path"
	originalHost = "X-Envoy-Original-Host"
	userAgent    = "User-Agent"
)

// New reports every problem of c, with fields such as "rewrite.Regex".
func New(c Config) (*Rewriter, error) {
	w := new(Rewriter)
	if err := w.Update(c); err != nil {
		return nil, err
	}
	return w, nil
}

// Update replaces the configuration for requests to come. With an error nothing
// has changed.
func (w *Rewriter) Update(c Config) error {
	problems := check.List{Prefix: "rewrite"}
	s := &rules{host: c.Host, originals: c.Originals, path: compilePath(&problems, &c)}
	var host string
	s.request, host = compileHeaders(&problems, "Request", c.Request, false)
	s.response, _ = compileHeaders(&problems, "Response", c.Response, true)
	if host != "" {
		if s.host != "" {
			problems.Add("Host", s.host, "is set to %q by Request, too", host)
		}
		s.host = host
	}
	s.anonymous = s.request.removes(userAgent)
	if strings.ContainsFunc(s.host, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '/' }) {
		problems.Add("Host", s.host, "cannot be a host")
	}
	if err := problems.Err(); err != nil {
		return err
	}
	w.now.Store(s)
	return nil
}

// changesHeader reports whether requests get a header map of their own.
func (s *rules) changesHeader() bool {
	return len(s.request) > 0 || s.originals && (s.path != nil || s.host != "")
}

// changesRequest reports whether requests are changed at all.
func (s *rules) changesRequest() bool {
	return len(s.request) > 0 || s.path != nil || s.host != ""
}

// change changes r, which is ours, and its header, if that is to change. A
// request that a handler serves shows its path in other ways.
func (s *rules) change(r *http.Request, served bool) {
	v := match.ViewOf(r)
	path := v.Path()
	if len(s.request) > 0 {
		s.request.apply(r.Header, scope{r: r})
	}
	if s.anonymous && !served && len(r.Header[userAgent]) == 0 {
		r.Header[userAgent] = nil // net/http adds its own where the name is missing
	}
	if s.path != nil {
		if s.originals {
			r.Header[originalPath] = []string{v.Target()}
		}
		if to := s.path.rewrite(path); to != path {
			setPath(r, to, served)
		}
	}
	if s.host != "" {
		if s.originals {
			r.Header[originalHost] = []string{v.Host()}
		}
		r.Host = s.host
	}
}

// setPath gives r the path to, which may bring the beginning of the query with
// it.
func setPath(r *http.Request, to string, served bool) {
	u := new(url.URL)
	*u = *r.URL
	if path, query, found := strings.Cut(to, "?"); found {
		to = path
		if u.RawQuery != "" || u.ForceQuery {
			query += "?" + u.RawQuery
		}
		u.RawQuery, u.ForceQuery = query, query == ""
	}
	r.URL = u
	if !served {
		rawpath.Set(u, to)
		return
	}
	rawpath.Serve(u, to)
	r.RequestURI = to
	if u.RawQuery != "" || u.ForceQuery {
		r.RequestURI += "?" + u.RawQuery
	}
}
