package istio

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// addresses checks addresses and blocks of them.
func (c *checker) addresses(p *manifest.Path, blocks []string) {
	for i, block := range blocks {
		var err error
		if strings.Contains(block, "/") {
			_, err = netip.ParsePrefix(block)
		} else {
			_, err = netip.ParseAddr(block)
		}
		if err != nil {
			c.refuse(p.At(i), block, "must be an address, or a block such as 10.0.0.0/8")
		}
	}
}

// portTexts checks ports, which are strings here.
func (c *checker) portTexts(p *manifest.Path, ports []string) {
	for i, port := range ports {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			c.refuse(p.At(i), port, "must be a port number in quotes, from 0 to 65535")
		}
	}
}

// serviceAccounts checks accounts: name, or namespace/name.
func (c *checker) serviceAccounts(p *manifest.Path, accounts []string) {
	if len(accounts) > 16 {
		c.refuse(p, nil, "has %d entries, and at most 16 are allowed", len(accounts))
	}
	for i, account := range accounts {
		namespace, name, qualified := strings.Cut(account, "/")
		switch {
		case account == "":
			c.refuse(p.At(i), nil, "must not be empty")
		case strings.Contains(account, "*"):
			c.refuse(p.At(i), account, "a service account knows no wildcards")
		case len(account) > 320:
			c.refuse(p.At(i), nil, "is longer than 320 characters")
		case qualified && (namespace == "" || name == "" || strings.Contains(name, "/")):
			c.refuse(p.At(i), account, "must be NAME or NAMESPACE/NAME")
		}
	}
}

// principals refuses identities written as URIs, which match nobody: the scheme
// is put before what stands here.
func (c *checker) principals(p *manifest.Path, principals []string) {
	for i, v := range principals {
		if strings.HasPrefix(v, "spiffe://") {
			c.pointless(p.At(i), v, "matches nobody: leave spiffe:// out")
		}
	}
}

// wildcards checks values that may have one * at an end.
func (c *checker) wildcards(p *manifest.Path, values []string) {
	for i, v := range values {
		switch n := strings.Count(v, "*"); {
		case v == "":
			c.refuse(p.At(i), nil, "must not be empty")
		case n > 1, n == 1 && !strings.HasPrefix(v, "*") && !strings.HasSuffix(v, "*"):
			c.refuse(p.At(i), v, "may have one *, at its beginning or end")
		}
	}
}

func (c *checker) trustDomains(p *manifest.Path, domains []string) {
	c.wildcards(p, domains)
	for i, d := range domains {
		if strings.Contains(d, "/") {
			c.refuse(p.At(i), d, "must be a trust domain alone, without a slash")
		}
	}
}

// Operators of a path template: one segment, and any rest.
const (
	oneSegment = "{*}"
	anyRest    = "{**}"
)

// pathTemplates checks paths that may be templates, such as /a/{*}/b.
func (c *checker) pathTemplates(p *manifest.Path, paths []string) {
	for i, path := range paths {
		template := strings.Contains(path, oneSegment) || strings.Contains(path, anyRest)
		if problem := templateProblem(path, template); problem != "" {
			c.refuse(p.At(i), path, "%s", problem)
		} else if template && path[0] != '/' {
			c.pointless(p.At(i), path, "a path template must begin with a slash")
		}
	}
}

func templateProblem(path string, template bool) string {
	rest := false
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		switch {
		case segment == oneSegment && !rest:
		case segment == anyRest && !rest:
			rest = true
		case segment == oneSegment || segment == anyRest:
			return "{**} takes any rest, so no other operator can stand behind it"
		case strings.ContainsAny(segment, "{}"):
			return "braces can stand for a whole segment only, as {*} or {**}"
		case template && segment == "":
			return "a path template must have no empty segment"
		case template && strings.Contains(segment, "*"):
			return "a path template cannot hold a * outside of {*} and {**}"
		case template && !isPathLiteral(segment):
			return "a segment of a path template holds a character that no path has"
		}
	}
	return ""
}

// isPathLiteral tells whether s is made of what a path may hold (RFC 3986,
// section 3.3).
func isPathLiteral(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r >= 0x80 || !isAlphanumeric(byte(r)) && !strings.ContainsRune("-._~%!$&'()+,;:@=", r)
	})
}

// condition checks an entry of when.
func (c *checker) condition(p *manifest.Path, w *security.Condition) {
	switch {
	case w.Key == "":
		c.refuse(p.Field("key"), nil, "must not be empty")
		return
	case len(w.Values)+len(w.NotValues) == 0:
		c.refuse(p, nil, "compares with nothing: it needs values or notValues")
		return
	}
	c.conditionKey(p.Field("key"), w.Key)
	for _, f := range []values{{"values", w.Values}, {"notValues", w.NotValues}} {
		at := p.Field(f.name)
		c.notEmpty(at, f.values)
		if slices.Contains(f.values, "") {
			continue
		}
		switch w.Key {
		case "source.ip", "remote.ip", "destination.ip":
			c.addresses(at, f.values)
		case "destination.port":
			c.portTexts(at, f.values)
		case "source.serviceAccount":
			c.serviceAccounts(at, f.values)
		case "source.trustDomain":
			c.wildcards(at, f.values)
		}
	}
}

// conditionKeys are the keys of when without brackets.
var conditionKeys = []string{
	"source.ip", "remote.ip", "source.namespace", "source.serviceAccount", "source.principal", "source.trustDomain",
	"request.auth.principal", "request.auth.audiences", "request.auth.presenter",
	"destination.ip", "destination.port", "connection.sni",
}

func (c *checker) conditionKey(p *manifest.Path, key string) {
	for _, prefix := range []string{"request.headers", "request.auth.claims", "experimental.envoy.filters."} {
		if strings.HasPrefix(key, prefix) {
			if open := strings.IndexByte(key, '['); open < 1 || !strings.HasSuffix(key, "]") || open >= len(key)-2 {
				c.refuse(p, key, "must name what it compares in brackets, as %s[name]", strings.TrimSuffix(prefix, "."))
			}
			return
		}
	}
	switch {
	case slices.Contains(conditionKeys, key):
	case key == "destination.namespace":
		c.refuse(p, key, "is withdrawn: a policy applies in its own namespace")
	case strings.HasPrefix(key, "destination.labels"):
		c.refuse(p, key, "is withdrawn: use the selector of the policy")
	case key == "destination.name", key == "destination.user":
		c.refuse(p, key, "is withdrawn: use the selector of the policy")
	default:
		all := append([]string{"request.headers[name]", "request.auth.claims[name]"}, conditionKeys...)
		c.refuse(p, key, "is no condition%s", manifest.DidYouMean(manifest.Nearest(key, all)))
	}
}
