package istio

import (
	"regexp"
	"strconv"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// redirect checks a redirect and that its prefix rewrite has a prefix to act on.
func (c *checker) redirect(p *manifest.Path, r *networking.HTTPRedirect, matches []*networking.HTTPMatchRequest) {
	if r == nil {
		return
	}
	if r.Uri != "" && r.PrefixRewrite != "" {
		c.refuse(p.Field("prefixRewrite"), nil, "cannot stand beside uri")
	} else if r.PrefixRewrite != "" {
		for _, m := range matches {
			if _, prefix := m.GetUri().GetMatchType().(*networking.StringMatch_Prefix); m.Uri != nil && !prefix {
				c.refuse(p.Field("prefixRewrite"), r.PrefixRewrite, "needs a prefix in every match of the rule's uri")
				break
			}
		}
	}
	if r.Uri == "" && r.PrefixRewrite == "" && r.Authority == "" && r.RedirectPort == nil && r.Scheme == "" {
		c.refuse(p, nil, "changes nothing: it needs uri, prefixRewrite, authority, scheme, port or derivePort")
	}
	if r.Uri == "" && r.PrefixRewrite == "" && r.Authority == "" && r.Scheme == "" && r.RedirectPort != nil && (r.GetPort() == 0 || r.GetPort() == 80) {
		c.pointless(p, nil, "sends callers back to where they are: of ports this one goes without saying")
	}
	switch r.RedirectCode {
	case 0, 301, 302, 303, 307, 308:
	default:
		if r.RedirectCode < 300 || r.RedirectCode > 399 {
			c.refuse(p.Field("redirectCode"), r.RedirectCode, "must be 301, 302, 303, 307 or 308")
		} else {
			c.pointless(p.Field("redirectCode"), r.RedirectCode, "is no redirect that a proxy can send: it must be 301, 302, 303, 307 or 308")
		}
	}
	if r.Scheme != "" && r.Scheme != "http" && r.Scheme != "https" {
		c.refuse(p.Field("scheme"), r.Scheme, "must be http or https")
	}
	if r.GetPort() != 0 {
		c.port(p.Field("port"), r.GetPort())
	}
}

// Bounds of the body of a direct response, in bytes.
const (
	largeBody = 100 << 10
	maxBody   = 1 << 20
)

func (c *checker) directResponse(p *manifest.Path, r *networking.HTTPDirectResponse) {
	if r == nil {
		return
	}
	c.status(p.Field("status"), int64(r.Status))
	switch n := len(r.GetBody().GetString_()) + len(r.GetBody().GetBytes()); {
	case n > maxBody:
		c.refuse(p.Field("body"), nil, "is %d bytes long, and at most 1 MiB is allowed", n)
	case n > largeBody:
		c.warn(p.Field("body"), nil, "is %d bytes long; large bodies weigh on whoever distributes the configuration", n)
	}
}

// status checks the status of an answer. Istio's check lets 600 pass.
func (c *checker) status(p *manifest.Path, status int64) {
	switch {
	case status < 200 || status > 600:
		c.refuse(p, status, "must be a status from 200 to 599")
	case status == 600:
		c.pointless(p, status, "must be a status from 200 to 599")
	}
}

func (c *checker) rewrite(p *manifest.Path, r *networking.HTTPRewrite) {
	if r == nil {
		return
	}
	switch {
	case r.Uri != "" && r.UriRegexRewrite != nil:
		c.refuse(p.Field("uriRegexRewrite"), nil, "cannot stand beside uri")
	case r.Uri == "" && r.UriRegexRewrite == nil && r.Authority == "":
		c.refuse(p, nil, "changes nothing: it needs uri, uriRegexRewrite or authority")
	}
	re := r.UriRegexRewrite
	if re == nil {
		return
	}
	at := p.Field("uriRegexRewrite")
	if re.Match == "" {
		c.refuse(at.Field("match"), nil, "must not be empty")
	}
	if re.Rewrite == "" {
		c.refuse(at.Field("rewrite"), nil, "must not be empty")
	}
	if re.Match == "" || re.Rewrite == "" {
		return
	}
	c.regex(at.Field("match"), re.Match)
	c.groups(at, re)
}

// groups checks that a rewrite names no group that its expression lacks: then
// it would silently do nothing.
func (c *checker) groups(p *manifest.Path, re *networking.RegexRewrite) {
	compiled, err := regexp.Compile(re.Match)
	if err != nil {
		return
	}
	for _, ref := range groupReference.FindAllStringSubmatch(re.Rewrite, -1) {
		n, err := strconv.Atoi(ref[1])
		switch {
		case ref[1] == "" && ref[0] != `\\`:
			c.pointless(p.Field("rewrite"), re.Rewrite, `a backslash must be followed by a digit or another backslash`)
		case ref[1] != "" && (err != nil || n > compiled.NumSubexp()):
			c.pointless(p.Field("rewrite"), re.Rewrite, `\%s names a group that the expression does not have; it has %d`, ref[1], compiled.NumSubexp())
		}
	}
}

var groupReference = regexp.MustCompile(`\\(?:([0-9])|\\|.|$)`)

// mirrors checks both forms of mirroring.
func (c *checker) mirrors(p *manifest.Path, r *networking.HTTPRoute) {
	if percent := r.MirrorPercent; percent != nil {
		at := p.Field("mirrorPercent")
		if percent.Value > 100 {
			c.refuse(at, percent.Value, "must be at most 100")
		}
		c.warn(at, nil, "is out of date; write mirrorPercentage: {value: %d}", percent.Value)
	}
	c.mirrorShare(p.Field("mirrorPercentage"), r.MirrorPercentage)
	c.destination(p.Field("mirror"), r.Mirror)
	for i, m := range r.Mirrors {
		at := p.Field("mirrors").At(i)
		c.destination(at.Field("destination"), m.Destination)
		c.mirrorShare(at.Field("percentage"), m.Percentage)
	}
}

func (c *checker) mirrorShare(p *manifest.Path, share *networking.Percent) {
	if v := share.GetValue(); v < 0 || v > 100 {
		c.refuse(p.Field("value"), v, "must be 0 to 100 per cent")
	}
}
