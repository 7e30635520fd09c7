package route

import (
	"strings"

	"github.com/sidecarless/mesh/match"
)

// A node is one of a radix tree of what paths begin with.
type node struct {
	text  string // what the node adds to its parent's
	group group  // what asks for a path with this beginning
	first string // the first bytes of the children
	next  []node // the children, in the same order
}

// find is the first entry that fits among all whose text the path begins with,
// or best if that comes before it.
func (n *node) find(v *match.View, best *entry) *entry {
	for path := v.Path(); ; {
		best = n.group.find(v, best)
		if path == "" {
			return best
		}
		i := strings.IndexByte(n.first, path[0])
		if i < 0 {
			return best
		}
		n = &n.next[i]
		if !strings.HasPrefix(path, n.text) {
			return best
		}
		path = path[len(n.text):]
	}
}

// insert puts g below n where text leads. A text is inserted once.
func (n *node) insert(text string, g group) {
	if text == "" {
		n.group = g
		return
	}
	i := strings.IndexByte(n.first, text[0])
	if i < 0 {
		n.first += text[:1]
		n.next = append(n.next, node{text: text, group: g})
		return
	}
	child := &n.next[i]
	shared := sharedLen(child.text, text)
	if shared < len(child.text) {
		lower := *child
		lower.text = child.text[shared:]
		*child = node{text: text[:shared], first: lower.text[:1], next: []node{lower}}
	}
	child.insert(text[shared:], g)
}

// sharedLen is the length of what a and b both begin with.
func sharedLen(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
