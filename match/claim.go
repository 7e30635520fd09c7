package match

import (
	"slices"
	"strings"

	callers "github.com/sidecarless/mesh/internal/peer"
)

// claimPrefix begins the names of header conditions that mean a claim of the
// token that was verified for the request.
const claimPrefix = "@request.auth.claims"

// claimStep is between the names on the way to a claim in a compiled condition.
const claimStep = "\x00"

// claimPath is the way to a claim that a name stands for, such as
// "@request.auth.claims[group][id]" or "@request.auth.claims.group.id"; ok is
// false for other names.
func claimPath(name string) (path []string, ok bool) {
	if len(name) < len(claimPrefix) || lower(name[:len(claimPrefix)]) != claimPrefix {
		return nil, false
	}
	rest := name[len(claimPrefix):]
	if inner, dotted := strings.CutPrefix(rest, "."); dotted {
		path = strings.Split(inner, ".")
	} else if len(rest) > 2 && rest[0] == '[' && rest[len(rest)-1] == ']' {
		path = strings.Split(rest[1:len(rest)-1], "][")
	}
	return path, len(path) > 0 && !slices.Contains(path, "")
}

// claimLines are the texts of a claim: itself, or the texts of a list. Numbers and
// other values are none, as in Envoy.
func (c *condition) claimLines(v *View) []string {
	var value any = callers.Claims(v.r.Context())
	for name := range strings.SplitSeq(c.name, claimStep) {
		inner, _ := value.(map[string]any)
		value = inner[name]
	}
	switch value := value.(type) {
	case string:
		return []string{value}
	case []string:
		return value
	case []any:
		var lines []string
		for _, one := range value {
			if s, ok := one.(string); ok {
				lines = append(lines, s)
			}
		}
		return lines
	}
	return nil
}

// claimFits judges a claim. One that is not there fits nothing, and is without
// everything.
func (c *condition) claimFits(v *View) bool {
	lines := c.claimLines(v)
	if c.without {
		return !slices.ContainsFunc(lines, c.test.accepts)
	}
	if len(lines) == 0 {
		return c.absenceFits()
	}
	return slices.ContainsFunc(lines, c.test.hit) != c.test.not
}
