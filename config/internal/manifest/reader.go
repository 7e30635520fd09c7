package manifest

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Limits that a document cannot pass however its aliases multiply it.
const (
	maxDepth   = 100
	maxAliased = 10_000 // values beyond those that are written out
)

// A Reader reads the values of one object, within bounds.
type Reader struct {
	reject   func(p *Path, n *yaml.Node, reason string)
	line     int // lines of the file before the document
	depth    int
	left     int  // values that may still be read
	beyond   bool // it is told that there were more
	rejected int
}

// NewReader makes a reader for an object of a document. What cannot be read is
// given to reject.
func NewReader(doc Document, reject func(p *Path, n *yaml.Node, reason string)) *Reader {
	return &Reader{reject: reject, line: doc.Line, left: len(doc.Text) + maxAliased}
}

// Enter begins to read a value; if it returns false there is no more to read.
func (r *Reader) Enter(p *Path, n *yaml.Node) bool {
	if r.left == 0 || r.depth > maxDepth {
		if !r.beyond {
			r.left, r.beyond = 0, true
			r.reject(p, n, "the aliases (*name) of this document multiply it beyond bounds")
		}
		return false
	}
	r.left--
	r.depth++
	return true
}

// Leave ends what Enter began.
func (r *Reader) Leave() { r.depth-- }

// LineOf is the line of a node in its file.
func (r *Reader) LineOf(n *yaml.Node) int { return r.line + n.Line }

func (r *Reader) rejectf(p *Path, n *yaml.Node, format string, args ...any) {
	r.rejected++
	r.reject(p, n, fmt.Sprintf(format, args...))
}

// Mapping reads a mapping with merge keys (<<) expanded: a key that stands in
// the mapping itself wins over a merged one, an earlier merge over a later.
// Keys given twice are reported, and the first is kept.
func (r *Reader) Mapping(p *Path, n *yaml.Node) *Mapping {
	m := &Mapping{Entries: make([]Entry, 0, len(n.Content)/2)}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := Resolve(n.Content[i]), n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			r.rejectf(p, key, "a key must be text, not %s", KindOf(key))
			continue
		}
		if key.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		name := ScalarOf(key).AsKey()
		if twin := m.Get(name); twin != nil {
			r.rejectf(p.Entry(name), key, "the key %q is given twice, first in line %d; only one of them would count", name, r.LineOf(twin.Name))
			continue
		}
		m.Add(Entry{name, key, value})
	}
	for _, from := range merges {
		r.merge(p, m, from)
	}
	return m
}

// merge adds to m what a merge key brings in.
func (r *Reader) merge(p *Path, m *Mapping, n *yaml.Node) {
	if !r.Enter(p, n) {
		return
	}
	defer r.Leave()
	switch n = Resolve(n); n.Kind {
	case yaml.SequenceNode:
		for _, item := range n.Content {
			r.merge(p, m, item)
		}
	case yaml.MappingNode:
		for _, e := range r.Mapping(p, n).Entries {
			if m.Get(e.Key) == nil {
				m.Add(e)
			}
		}
	default:
		r.rejectf(p, n, "<< takes in the keys of a mapping, not %s", KindOf(n))
	}
}

// Text reads a field that holds text; it may be null or missing.
func (r *Reader) Text(p *Path, m *Mapping, name string) string {
	e := m.Get(name)
	if e == nil {
		return ""
	}
	return r.text(p.Field(name), Resolve(e.Value))
}

func (r *Reader) text(p *Path, n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		r.rejectf(p, n, "must be a string, not %s", KindOf(n))
		return ""
	}
	s := ScalarOf(n)
	if s.Kind != Text && s.Kind != Null {
		r.rejectf(p, n, "must be a string, and YAML reads %s as %s: put it in quotes", s.Text, s.Kind)
	}
	return s.OrEmpty()
}

// Texts reads a field that maps text to text.
func (r *Reader) Texts(p *Path, m *Mapping, name string) map[string]string {
	e := m.Get(name)
	if e == nil {
		return nil
	}
	at, n := p.Field(name), Resolve(e.Value)
	if n.Kind != yaml.MappingNode {
		if !IsNull(n) {
			r.rejectf(at, n, "must be a mapping, not %s", KindOf(n))
		}
		return nil
	}
	entries := r.Mapping(at, n)
	all := make(map[string]string, len(entries.Entries))
	for _, e := range entries.Entries {
		all[e.Key] = r.text(at.Key(e.Key), Resolve(e.Value))
	}
	return all
}
