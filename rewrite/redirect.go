package rewrite

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// A Redirect sends the caller elsewhere. What is not given stays as it is in the
// request. It is a handler and a RoundTripper.
type Redirect struct {
	Status int // 301, 302, 303, 307 or 308; zero is 301
	Scheme string

	// Host replaces host and port. Without it the request's port stays, but for a
	// default port of another scheme.
	Host string

	// Port is written also where it is the default of the scheme.
	Port uint16

	// Path, Prefix and Segments change the path as in [Config]. A Path that has a
	// query brings it in place of the request's.
	Path, Prefix string
	Segments     bool

	// StripQuery leaves the request's query out.
	StripQuery bool
}

// Validate reports every problem of d, with fields such as "rewrite.Status".
func (d Redirect) Validate() error {
	problems := check.List{Prefix: "rewrite"}
	switch d.Status {
	case 0, http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		problems.Add("Status", d.Status, "must be 301, 302, 303, 307 or 308")
	}
	if d == (Redirect{Status: d.Status}) {
		problems.Add("", nil, "changes nothing, and would send callers in circles")
	}
	compilePrefix(&problems, d.Prefix, d.Path, d.Segments)
	return problems.Err()
}

// ServeHTTP implements http.Handler.
func (d Redirect) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.reply(r).ServeHTTP(w, r) }

// RoundTrip implements http.RoundTripper.
func (d Redirect) RoundTrip(r *http.Request) (*http.Response, error) { return d.reply(r).RoundTrip(r) }

func (d Redirect) reply(r *http.Request) Reply {
	status := d.Status
	if status == 0 {
		status = http.StatusMovedPermanently
	}
	return Reply{Status: status, Header: http.Header{"Location": {d.location(r)}}}
}

// location is composed as Envoy does.
func (d Redirect) location(r *http.Request) string {
	v := match.ViewOf(r)
	scheme, host := d.Scheme, d.Host
	if scheme == "" {
		scheme = v.Scheme()
	}
	if host == "" {
		host = v.Host()
		name, port := splitPort(host)
		wasDefault := v.Scheme() == "http" && port == ":80" || v.Scheme() == "https" && port == ":443"
		if d.Port != 0 || scheme != v.Scheme() && wasDefault {
			host = name
		}
	}
	if d.Port != 0 {
		host += ":" + strconv.Itoa(int(d.Port))
	}

	path, query := v.Path(), strings.TrimPrefix(v.Target(), v.Path())
	if d.StripQuery {
		query = ""
	}
	if d.Path != "" || d.Segments {
		rule := pathRule{prefix: d.Prefix, to: d.Path, segments: d.Segments}
		if path = rule.rewrite(path); d.Prefix == "" && strings.Contains(path, "?") {
			query = ""
		}
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
	}
	return scheme + "://" + host + path + query
}

// splitPort takes the port, with its colon, off an authority.
func splitPort(host string) (name, port string) {
	i := strings.LastIndexByte(host, ':')
	if i < 0 || strings.HasSuffix(host, "]") {
		return host, ""
	}
	return host[:i], host[i:]
}
