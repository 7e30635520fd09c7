package manifest

import (
	"go.yaml.in/yaml/v3"
)

// Resolve is the node itself, or the one that an alias stands for.
func Resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// IsNull tells whether a node is null.
func IsNull(n *yaml.Node) bool {
	n = Resolve(n)
	return n.Kind == yaml.ScalarNode && ScalarOf(n).Kind == Null
}

// KindOf names what a node is, for a message.
func KindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return ScalarOf(n).Kind.String()
}

// A Mapping is the entries of a mapping in their order.
type Mapping struct {
	Entries []Entry
	byKey   map[string]int // their places, once there are many
}

// manyEntries is from where on a search by a map is faster than one by one.
const manyEntries = 12

// An Entry is one key of a mapping and its value.
type Entry struct {
	Key   string
	Name  *yaml.Node
	Value *yaml.Node
}

// Get is the entry of that key, or nil.
func (m *Mapping) Get(key string) *Entry {
	if m.byKey != nil {
		if i, ok := m.byKey[key]; ok {
			return &m.Entries[i]
		}
		return nil
	}
	for i := range m.Entries {
		if m.Entries[i].Key == key {
			return &m.Entries[i]
		}
	}
	return nil
}

// Add appends an entry.
func (m *Mapping) Add(e Entry) {
	m.Entries = append(m.Entries, e)
	switch {
	case m.byKey != nil:
		m.byKey[e.Key] = len(m.Entries) - 1
	case len(m.Entries) == manyEntries:
		m.byKey = make(map[string]int, 2*manyEntries)
		for i, e := range m.Entries {
			m.byKey[e.Key] = i
		}
	}
}
