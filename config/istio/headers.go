package istio

import (
	"strings"

	networking "istio.io/api/networking/v1alpha3"
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
func (c *checker) matchedHeader(p *path, name string) {
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
func (c *checker) headers(p *path, h *networking.Headers) {
	request, response := p.field("request"), p.field("response")
	c.headerValues(request.field("set"), h.GetRequest().GetSet(), true)
	c.headerValues(request.field("add"), h.GetRequest().GetAdd(), true)
	c.headerNames(request.field("remove"), h.GetRequest().GetRemove())
	c.headerValues(response.field("set"), h.GetResponse().GetSet(), false)
	c.headerValues(response.field("add"), h.GetResponse().GetAdd(), false)
	c.headerNames(response.field("remove"), h.GetResponse().GetRemove())
}

func (c *checker) headerNames(p *path, names []string) {
	for i, name := range names {
		c.changedHeader(p.at(i), name, false)
	}
}

func (c *checker) headerValues(p *path, values map[string]string, authority bool) {
	for _, name := range sortedKeys(values) {
		at := p.key(name)
		c.changedHeader(at, name, authority)
		if problem := headerValueProblem(values[name]); problem != "" {
			c.refuse(at, values[name], "%s", problem)
		}
	}
}

// changedHeader checks the name of a header that is set, added or removed.
func (c *checker) changedHeader(p *path, name string, authority bool) {
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
func (c *checker) authorityOnce(p *path, rewrite *networking.HTTPRewrite, h *networking.Headers) {
	current := rewrite.GetAuthority()
	request := p.field("headers").field("request")
	for _, op := range []struct {
		name   string
		values map[string]string
	}{{"set", h.GetRequest().GetSet()}, {"add", h.GetRequest().GetAdd()}} {
		for _, name := range sortedKeys(op.values) {
			if !isAuthority(name) {
				continue
			}
			if current != "" {
				c.refuse(request.field(op.name).key(name), op.values[name], "the authority is set to %q already, and only one place may set it", current)
				return
			}
			current = op.values[name]
		}
	}
}
