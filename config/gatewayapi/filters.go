package gatewayapi

import (
	"net"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/rewrite"
)

// levels are the changes of a HeaderModifier: set and add, then remove. Of several
// entries for one name the first counts.
func levels(m *headerModifier) []rewrite.Headers {
	header := func(list []headerValue) http.Header {
		h := http.Header{}
		for _, one := range list {
			if name := http.CanonicalHeaderKey(one.Name); h[name] == nil {
				h[name] = []string{strings.ReplaceAll(one.Value, "%", "%%")} // commands mean nothing here
			}
		}
		return h
	}
	return []rewrite.Headers{{Set: header(m.Set), Add: header(m.Add)}, {Remove: m.Remove}}
}

// requests is what filters make of requests: headers, host and path.
func requests(filters []filter, prefix string) (layer, error) {
	var c rewrite.Config
	for _, f := range filters {
		if f.RequestHeaderModifier != nil {
			c.Request = levels(f.RequestHeaderModifier)
		}
		if u := f.URLRewrite; u != nil {
			c.Host = or(u.Hostname, "")
			c.Path, c.Prefix, c.Segments = pathChange(u.Path, prefix)
		}
	}
	if c.Host != "" { // it wins over a header of that name
		for _, l := range c.Request {
			delete(l.Set, "Host")
			delete(l.Add, "Host")
		}
	}
	if c.Request == nil && c.Host == "" && c.Path == "" && !c.Segments {
		return nil, nil
	}
	w, err := rewrite.New(c)
	if err != nil {
		return nil, err
	}
	return w.Transport, nil
}

// answers is what filters make of answers.
func answers(filters []filter) (layer, error) {
	for _, f := range filters {
		if f.ResponseHeaderModifier != nil {
			w, err := rewrite.New(rewrite.Config{Response: levels(f.ResponseHeaderModifier)})
			if err != nil {
				return nil, err
			}
			return w.Transport, nil
		}
	}
	return nil, nil
}

// pathChange is a path modifier in the terms of package rewrite.
func pathChange(m *pathModifier, prefix string) (path, replaced string, segments bool) {
	switch {
	case m == nil:
		return "", "", false
	case m.Type == replaceFull:
		return rooted(or(m.ReplaceFullPath, "")), "", false
	}
	path = or(m.ReplacePrefixMatch, "")
	if path != "" {
		path = rooted(path)
	}
	return path, prefix, true
}

// rooted is a path with one slash at its beginning.
func rooted(path string) string { return "/" + strings.TrimLeft(path, "/") }

// redirectOf is the redirect among filters, or nil.
func redirectOf(filters []filter, prefix string, at site) http.RoundTripper {
	for _, f := range filters {
		if r := f.RequestRedirect; r != nil {
			d := redirect{scheme: or(r.Scheme, at.scheme), host: or(r.Hostname, ""), port: at.port}
			d.Status = or(r.StatusCode, http.StatusFound)
			d.Path, d.Prefix, d.Segments = pathChange(r.Path, prefix)
			switch {
			case r.Port != nil:
				d.port = uint16(*r.Port)
			case r.Scheme != nil:
				d.port = wellKnown[d.scheme]
			}
			if d.port == wellKnown[d.scheme] {
				d.port = 0
			}
			return d
		}
	}
	return nil
}

// wellKnown are the ports that go without saying.
var wellKnown = map[string]uint16{"http": 80, "https": 443}

// A redirect names scheme and host always, and a port where it does not go without
// saying: the caller's own port is that of the way to here.
type redirect struct {
	rewrite.Redirect
	scheme, host string
	port         uint16
}

// RoundTrip implements http.RoundTripper.
func (d redirect) RoundTrip(r *http.Request) (*http.Response, error) {
	to := d.Redirect
	to.Scheme, to.Host, to.Port = d.scheme, d.host, d.port
	if to.Host == "" {
		v := match.ViewOf(r)
		to.Host = v.Host()
		if host, _, err := net.SplitHostPort(to.Host); err == nil {
			to.Host = host
			if strings.Contains(host, ":") {
				to.Host = "[" + host + "]"
			}
		}
	}
	return to.RoundTrip(r)
}
