package console

import (
	"cmp"
	"embed"
	"html/template"
	"io"
	"net/http"
	"sync"
)

//go:embed assets templates
var files embed.FS

// templates are the pages, each with the layout around it.
var templates = sync.OnceValue(func() map[string]*template.Template {
	layout := template.Must(template.ParseFS(files, "templates/layout.tmpl", "templates/parts.tmpl"))
	all := map[string]*template.Template{}
	for _, name := range []string{"overview", "decisions", "decision", "clusters", "events", "configuration", "explain", "weights"} {
		all[name] = template.Must(template.Must(layout.Clone()).ParseFS(files, "templates/"+name+".tmpl"))
	}
	return all
})

// A sheet is a view with what is around it.
type sheet struct {
	Process, Title, Root, Path string
	Nav                        []link
	Live                       bool
	Body                       any
}

type link struct {
	Path, Name string
	Here       bool
}

// render writes a part of a view as HTML: "layout" is the page, "live" what is
// kept current of it.
func (c *Console) render(w io.Writer, part, path string, v view, r *http.Request) error {
	s := sheet{Process: c.config.Title, Title: v.title, Root: rootOf(path), Path: path, Live: v.live, Body: v.html}
	for _, p := range pages {
		if p.path == "weights" && len(c.config.Splits) == 0 {
			continue
		}
		here := p.path == path || p.path == "decisions" && v.page == "decision"
		s.Nav = append(s.Nav, link{cmp.Or(s.Root+p.path, "./"), p.name, here})
	}
	return templates()[v.page].ExecuteTemplate(w, part, s)
}

// assets are what pages load, and their types.
var assets = map[string]string{
	"console.css": "text/css; charset=utf-8",
	"console.js":  "text/javascript; charset=utf-8",
	"icon.svg":    "image/svg+xml",
}

// serveAsset answers for an asset, and reports whether path is one.
func (c *Console) serveAsset(w http.ResponseWriter, path string) bool {
	kind, ok := assets[path]
	if !ok {
		return false
	}
	data, err := files.ReadFile("assets/" + path)
	if err != nil {
		http.Error(w, "console: "+err.Error(), http.StatusInternalServerError)
		return true
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "private, max-age=60")
	w.Write(data) //nolint:errcheck // there is nobody to tell
	return true
}
