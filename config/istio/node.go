package istio

import (
	"go.yaml.in/yaml/v3"
)

// resolveAlias is the node itself, or the one that an alias stands for.
func resolveAlias(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// A mapping is the entries of a mapping in their order.
type mapping struct {
	entries []entry
	byKey   map[string]int // their places, once there are many
}

// manyEntries is from where on a search by a map is faster than one by one.
const manyEntries = 12

// An entry is one key of a mapping and its value.
type entry struct {
	key   string
	name  *yaml.Node
	value *yaml.Node
}

func (m *mapping) get(key string) *entry {
	if m.byKey != nil {
		if i, ok := m.byKey[key]; ok {
			return &m.entries[i]
		}
		return nil
	}
	for i := range m.entries {
		if m.entries[i].key == key {
			return &m.entries[i]
		}
	}
	return nil
}

func (m *mapping) add(e entry) {
	m.entries = append(m.entries, e)
	switch {
	case m.byKey != nil:
		m.byKey[e.key] = len(m.entries) - 1
	case len(m.entries) == manyEntries:
		m.byKey = make(map[string]int, 2*manyEntries)
		for i, e := range m.entries {
			m.byKey[e.key] = i
		}
	}
}

// mapping reads a mapping with merge keys (<<) expanded: a key that stands in
// the mapping itself wins over a merged one, an earlier merge over a later.
// Keys given twice are reported, and the first is kept.
func (d *decoder) mapping(p *path, n *yaml.Node) *mapping {
	m := &mapping{entries: make([]entry, 0, len(n.Content)/2)}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolveAlias(n.Content[i]), n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.reject(p, key, nil, "a key must be text, not %s", kindOf(key))
			continue
		}
		if key.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		name := scalarOf(key).asKey()
		if twin := m.get(name); twin != nil {
			d.reject(p.entry(name), key, nil, "the key %q is given twice, first in line %d; only one of them would count", name, d.lineOf(twin.name))
			continue
		}
		m.add(entry{name, key, value})
	}
	for _, from := range merges {
		d.merge(p, m, from)
	}
	return m
}

// merge adds to m what a merge key brings in.
func (d *decoder) merge(p *path, m *mapping, n *yaml.Node) {
	if !d.enter(p, n) {
		return
	}
	defer d.leave()
	switch n = resolveAlias(n); n.Kind {
	case yaml.SequenceNode:
		for _, item := range n.Content {
			d.merge(p, m, item)
		}
	case yaml.MappingNode:
		for _, e := range d.mapping(p, n).entries {
			if m.get(e.key) == nil {
				m.add(e)
			}
		}
	default:
		d.reject(p, n, nil, "<< takes in the keys of a mapping, not %s", kindOf(n))
	}
}

// kindOf names what a node is, for a message.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return scalarOf(n).kind.String()
}
