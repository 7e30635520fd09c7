package istio

import (
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// isToken tells whether s can be the name of a header (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && strings.IndexByte("!#$%&'*+-.^_`|~", s[i]) < 0 {
			return false
		}
	}
	return s != ""
}

// isAuthority tells whether a header is the request's authority.
func isAuthority(name string) bool {
	return strings.EqualFold(name, ":authority") || strings.EqualFold(name, "host")
}

// matchedHeader checks the name of a header that is matched.
func (c *checker) matchedHeader(p *manifest.Path, name string) {
	if isClaim(name) || isToken(name) {
		return
	}
	switch name {
	case ":method", ":scheme", ":authority", ":path", ":status":
	case "":
		c.refuse(p, nil, "the name of a header must not be empty")
	default:
		c.refuse(p, nil, "%q cannot be the name of a header", name)
	}
}

// isClaim tells whether the name of a header stands for a claim of a verified
// token: @request.auth.claims.a.b or @request.auth.claims[a][b].
func isClaim(name string) bool {
	const prefix = "@request.auth.claims"
	if len(name) < len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
		return false
	}
	rest := name[len(prefix):]
	return strings.HasPrefix(rest, ".") && len(rest) > 1 ||
		strings.HasPrefix(rest, "[") && strings.HasSuffix(rest, "]") && len(rest) > 2
}

// headers checks the changes of headers of a rule or of a destination.
func (c *checker) headers(p *manifest.Path, h *networking.Headers) {
	request, response := p.Field("request"), p.Field("response")
	c.headerValues(request.Field("set"), h.GetRequest().GetSet(), true)
	c.headerValues(request.Field("add"), h.GetRequest().GetAdd(), true)
	c.headerNames(request.Field("remove"), h.GetRequest().GetRemove())
	c.headerValues(response.Field("set"), h.GetResponse().GetSet(), false)
	c.headerValues(response.Field("add"), h.GetResponse().GetAdd(), false)
	c.headerNames(response.Field("remove"), h.GetResponse().GetRemove())
}

func (c *checker) headerNames(p *manifest.Path, names []string) {
	for i, name := range names {
		c.changedHeader(p.At(i), name, false)
	}
}

func (c *checker) headerValues(p *manifest.Path, values map[string]string, authority bool) {
	for _, name := range sortedKeys(values) {
		at := p.Key(name)
		c.changedHeader(at, name, authority)
		if problem := headerValueProblem(values[name]); problem != "" {
			c.refuse(at, values[name], "%s", problem)
		}
	}
}

// changedHeader checks the name of a header that is set, added or removed.
func (c *checker) changedHeader(p *manifest.Path, name string, authority bool) {
	switch {
	case name == "":
		c.refuse(p, nil, "the name of a header must not be empty")
	case isAuthority(name):
		if !authority {
			c.refuse(p, nil, "%s can only be set or added, and only in a request", name)
		}
	case name[0] == ':':
		c.refuse(p, nil, "the pseudo header %s cannot be changed", name)
	case !isToken(name):
		c.pointless(p, nil, "%q cannot be the name of a header", name)
	}
}

// authorityOnce checks that the authority is rewritten in one place only.
func (c *checker) authorityOnce(p *manifest.Path, rewrite *networking.HTTPRewrite, h *networking.Headers) {
	current := rewrite.GetAuthority()
	request := p.Field("headers").Field("request")
	for _, op := range []struct {
		name   string
		values map[string]string
	}{{"set", h.GetRequest().GetSet()}, {"add", h.GetRequest().GetAdd()}} {
		for _, name := range sortedKeys(op.values) {
			if !isAuthority(name) {
				continue
			}
			if current != "" {
				c.refuse(request.Field(op.name).Key(name), op.values[name], "the authority is set to %q already, and only one place may set it", current)
				return
			}
			current = op.values[name]
		}
	}
}
