package route

import (
	"slices"
	"strings"

	"github.com/sidecarless/mesh/match"
)

// hosts finds the rules for the most specific host, in Envoy's order: the host
// itself, the longest wildcard at the beginning, the longest at the end, any.
type hosts struct {
	named    bool // there are others than any
	exact    map[string]*ruleSet
	suffixes []wildcards // "*.x", longest first
	prefixes []wildcards // "x.*", longest first
	any      *ruleSet
}

// A ruleSet is what one host pattern stands for.
type ruleSet struct {
	index *index
	rules []int32 // in order; for explanations
}

// wildcards are those with texts of one length.
type wildcards struct {
	len  int
	text map[string]*ruleSet
}

// maxHost is more than any host can have (RFC 1035 section 2.3.4).
const maxHost = 256

// find is the rules for a request's host, or nil.
func (h *hosts) find(v *match.View) *ruleSet {
	if !h.named {
		return h.any
	}
	return h.search(v.Hostname())
}

func (h *hosts) search(host string) *ruleSet {
	if x := h.exact[host]; x != nil {
		return x
	}
	if len(host) > maxHost {
		return h.any
	}
	var buf [maxHost]byte
	name := buf[:copy(buf[:], host)]
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			name[i] += 'a' - 'A'
		}
	}
	if x := h.exact[string(name)]; x != nil {
		return x
	}
	for _, w := range h.suffixes {
		if w.len < len(name) {
			if x := w.text[string(name[len(name)-w.len:])]; x != nil {
				return x
			}
		}
	}
	for _, w := range h.prefixes {
		if w.len < len(name) {
			if x := w.text[string(name[:w.len])]; x != nil {
				return x
			}
		}
	}
	return h.any
}

// add puts x under a host pattern in lower case.
func (h *hosts) add(pattern string, x *ruleSet) {
	if pattern == anyHost {
		h.any = x
		return
	}
	h.named = true
	switch {
	case pattern[0] == '*':
		h.suffixes = addWildcard(h.suffixes, pattern[1:], x)
	case pattern[len(pattern)-1] == '*':
		h.prefixes = addWildcard(h.prefixes, pattern[:len(pattern)-1], x)
	default:
		if h.exact == nil {
			h.exact = make(map[string]*ruleSet)
		}
		h.exact[pattern] = x
	}
}

func addWildcard(all []wildcards, text string, x *ruleSet) []wildcards {
	i, found := slices.BinarySearchFunc(all, len(text), func(w wildcards, n int) int { return n - w.len })
	if !found {
		all = slices.Insert(all, i, wildcards{len(text), make(map[string]*ruleSet)})
	}
	all[i].text[text] = x
	return all
}

// anyHost is the pattern that every host fits.
const anyHost = "*"

// badHost says what is wrong with a host pattern, if anything is.
func badHost(pattern string) string {
	switch {
	case pattern == "", strings.Contains(pattern, "/"):
		return "is no host"
	case strings.Count(pattern, "*") > 1:
		return "a host may have one star"
	case strings.Contains(strings.Trim(pattern, "*"), "*"):
		return "a star may stand at the beginning or the end of a host"
	case strings.Contains(pattern, "]:"), pattern[0] != '[' && strings.Contains(pattern, ":"):
		return "a host is chosen without regard to ports: use Port of a match"
	case strings.ContainsAny(pattern, " @?#"):
		return "is no host"
	}
	return ""
}
