package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// A view is a page with its contents for each kind of reader.
type view struct {
	status int // zero is 200
	title  string
	page   string // its template
	html   any    // what the template shows
	text   func(io.Writer)
	json   func() any
	live   bool // browsers are kept current
}

// pages are the paths with a view. Those with a name in the second column are in
// the navigation.
var pages = []struct {
	path, name string
	view       func(*Console, *state, *http.Request) view
}{
	{"", "Overview", (*Console).overview},
	{"decisions", "Decisions", (*Console).decisions},
	{"clusters", "Destinations", (*Console).clusters},
	{"events", "Events", (*Console).eventLog},
	{"config", "Configuration", (*Console).configuration},
	{"explain", "Explain", (*Console).explanation},
	{"weights", "Weights", (*Console).weights},
}

// ServeHTTP implements [http.Handler].
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	if why := c.refuses(r); why != "" {
		http.Error(w, "console: "+why, http.StatusForbidden)
		return
	}
	path := c.pathOf(r)
	allowed := "GET, HEAD"
	if path == "weights" {
		allowed += ", POST"
	}
	switch {
	case r.Method == http.MethodPost && path == "weights":
		c.changeWeights(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", allowed)
		http.Error(w, "console: the method must be one of "+allowed, http.StatusMethodNotAllowed)
		return
	}
	if c.serveAsset(w, path) || c.serveAdmin(w, r, path) {
		return
	}
	if make := c.viewOf(path); make != nil {
		c.show(w, r, path, make)
		return
	}
	http.Error(w, "console: there is no such page; / has them all", http.StatusNotFound)
}

// viewOf is what makes the view of a path, or nil.
func (c *Console) viewOf(path string) func(*state, *http.Request) view {
	if id, ok := strings.CutPrefix(path, "decisions/"); ok {
		n, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			return nil
		}
		return func(s *state, r *http.Request) view { return c.decisionPage(s, n) }
	}
	for _, p := range pages {
		if p.path == path {
			return func(s *state, r *http.Request) view { return p.view(c, s, r) }
		}
	}
	return nil
}

// show answers with the view for whoever asks.
func (c *Console) show(w http.ResponseWriter, r *http.Request, path string, make func(*state, *http.Request) view) {
	format := formatOf(r)
	if format == formatStream {
		c.stream(w, r, path, make)
		return
	}
	v := make(c.state(), r)
	var b bytes.Buffer
	switch format {
	case formatJSON:
		w.Header().Set("Content-Type", "application/json")
		writeJSON(&b, v.json())
	case formatHTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := c.render(&b, "layout", path, v, r); err != nil {
			http.Error(w, "console: "+err.Error(), http.StatusInternalServerError)
			return
		}
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		v.text(&b)
	}
	w.WriteHeader(cmp.Or(v.status, http.StatusOK))
	b.WriteTo(w) //nolint:errcheck // there is nobody to tell
}

func writeJSON(w io.Writer, v any) {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	e.Encode(v) //nolint:errcheck // buffers take everything, and all values can be encoded
}

// A format is how a reader wants a page.
type format int

const (
	formatText format = iota
	formatHTML
	formatJSON
	formatStream
)

// formatOf is what the request asks for. Whoever has no wishes gets text, as curl
// does.
func formatOf(r *http.Request) format {
	switch r.URL.Query().Get("format") {
	case "html":
		return formatHTML
	case "json":
		return formatJSON
	case "text":
		return formatText
	}
	accept := strings.Join(r.Header["Accept"], ",")
	switch {
	case strings.Contains(accept, "text/event-stream"):
		return formatStream
	case strings.Contains(accept, "text/html"):
		return formatHTML
	case strings.Contains(accept, "application/json"):
		return formatJSON
	}
	return formatText
}

// pathOf is the request's path below the console, without slashes around it.
func (c *Console) pathOf(r *http.Request) string {
	mount := c.config.Path
	if mount == "" {
		// A pattern is [METHOD ][HOST]/PATH.
		if i := strings.IndexByte(r.Pattern, '/'); i >= 0 && strings.HasSuffix(r.Pattern, "/") {
			mount = r.Pattern[i:]
		}
	}
	path := r.URL.Path
	if rest, ok := strings.CutPrefix(path, mount); ok && mount != "" {
		path = rest
	}
	return strings.Trim(path, "/")
}

// rootOf leads from a page's path back to the overview.
func rootOf(path string) string {
	if n := strings.Count(path, "/"); n > 0 {
		return strings.Repeat("../", n)
	}
	return "./"
}
