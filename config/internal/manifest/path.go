package manifest

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Path leads from the top of an object to a value in it. It is a chain from
// the value upwards and becomes text only when there is a problem to report.
type Path struct {
	up   *Path
	step string // with its dot or brackets, unless index says more
	item int    // the place in a list, or -1
}

// Top is the path to a field of the object itself.
func Top(name string) *Path { return &Path{step: name, item: -1} }

// Field is the path to a field of the message that p leads to.
func (p *Path) Field(name string) *Path { return &Path{up: p, step: "." + name, item: -1} }

// At is the path to an item of the list that p leads to.
func (p *Path) At(i int) *Path { return &Path{up: p, item: i} }

// Key is the path to an entry of the map that p leads to.
func (p *Path) Key(k string) *Path { return &Path{up: p, step: "[" + k + "]", item: -1} }

// Entry is the path to a key of a mapping of either sort.
func (p *Path) Entry(name string) *Path {
	if strings.ContainsAny(name, ".[]/") {
		return p.Key(name)
	}
	return p.Field(name)
}

// String is the path as it is written: "spec.http[2].timeout".
func (p *Path) String() string {
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

// Related reports whether one of two paths leads through the other.
func Related(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return strings.HasPrefix(b, a) && (len(a) == len(b) || b[len(a)] == '.' || b[len(a)] == '[')
}

// Locate is the line of the value that a written path leads to from root, or of
// the last value on the way that exists.
func Locate(root *yaml.Node, field string) int {
	line, node := root.Line, root
	for field != "" {
		key, value, rest := step(Resolve(node), field)
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

// Has reports whether a written path leads to a value from root, however empty.
func Has(root *yaml.Node, field string) bool {
	node := root
	for field != "" {
		_, value, rest := step(Resolve(node), field)
		if value == nil {
			return false
		}
		node, field = value, rest
	}
	return true
}

// step follows the first step of a written path. Keys of maps may hold dots and
// brackets, so the longest key that fits is taken.
func step(n *yaml.Node, field string) (key, value *yaml.Node, rest string) {
	if field = strings.TrimPrefix(field, "."); field == "" {
		return nil, nil, ""
	}
	switch n.Kind {
	case yaml.SequenceNode:
		inside, after, ok := strings.Cut(strings.TrimPrefix(field, "["), "]")
		i, err := strconv.Atoi(inside)
		if !ok || err != nil || i < 0 || i >= len(n.Content) {
			return nil, nil, ""
		}
		return nil, n.Content[i], after
	case yaml.MappingNode:
		longest := 0
		for i := 0; i+1 < len(n.Content); i += 2 {
			name := n.Content[i].Value
			end := 0
			switch {
			case strings.HasPrefix(field, name):
				end = len(name)
			case field[0] == '[' && strings.HasPrefix(field[1:], name) && strings.HasPrefix(field[1+len(name):], "]"):
				end = len(name) + 2
			}
			if end > longest && (end == len(field) || field[end] == '.' || field[end] == '[') {
				longest, key, value, rest = end, n.Content[i], n.Content[i+1], field[end:]
			}
		}
	}
	return key, value, rest
}
