package istio

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A path leads from the top of an object to a value in it. It is a chain from
// the value upwards and becomes text only when there is a problem to report.
type path struct {
	up   *path
	step string // with its dot or brackets, unless index says more
	item int    // the place in a list, or -1
}

func top(name string) *path { return &path{step: name, item: -1} }

// field is the path to a field of the message that p leads to.
func (p *path) field(name string) *path { return &path{up: p, step: "." + name, item: -1} }

// at is the path to an item of the list that p leads to.
func (p *path) at(i int) *path { return &path{up: p, item: i} }

// key is the path to an entry of the map that p leads to.
func (p *path) key(k string) *path { return &path{up: p, step: "[" + k + "]", item: -1} }

// entry is the path to a key of a mapping of either sort.
func (p *path) entry(name string) *path {
	if strings.ContainsAny(name, ".[]/") {
		return p.key(name)
	}
	return p.field(name)
}

func (p *path) String() string {
	if p == nil {
		return ""
	}
	if p.item >= 0 {
		return p.up.String() + "[" + strconv.Itoa(p.item) + "]"
	}
	if p.up == nil {
		return strings.TrimPrefix(p.step, ".")
	}
	return p.up.String() + p.step
}

// related reports whether one of two paths leads through the other.
func related(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return strings.HasPrefix(b, a) && (len(a) == len(b) || b[len(a)] == '.' || b[len(a)] == '[')
}

// locate is the line of the value that a written path leads to from root, or of
// the last value on the way that exists.
func locate(root *yaml.Node, field string) int {
	line, node := root.Line, root
	for field != "" {
		key, value, rest := step(resolveAlias(node), field)
		if value == nil {
			break
		}
		line, node, field = value.Line, value, rest
		if key != nil {
			line = key.Line
		}
	}
	return line
}

// step follows the first step of a written path. Keys of maps may hold dots and
// brackets, so the longest key that fits is taken.
func step(n *yaml.Node, field string) (key, value *yaml.Node, rest string) {
	field = strings.TrimPrefix(field, ".")
	switch n.Kind {
	case yaml.SequenceNode:
		inside, after, ok := strings.Cut(strings.TrimPrefix(field, "["), "]")
		i, err := strconv.Atoi(inside)
		if !ok || err != nil || i < 0 || i >= len(n.Content) {
			return nil, nil, ""
		}
		return nil, n.Content[i], after
	case yaml.MappingNode:
		longest := -1
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			for _, form := range []string{name, "[" + name + "]"} {
				if len(form) > longest && related(form, field) && strings.HasPrefix(field, form) {
					longest, key, value, rest = len(form), n.Content[i], n.Content[i+1], field[len(form):]
				}
			}
		}
	}
	return key, value, rest
}
