package istio

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Limits that a document cannot pass however its aliases multiply it.
const (
	maxDepth   = 100
	maxAliased = 10_000 // values beyond those that are written out
)

// A decoder reads a YAML value into a message of Istio's API, field by field
// after the message's descriptor. It is as strict as the schema of the kind in
// the cluster, which follows the same descriptors.
type decoder struct {
	*checker
	depth int
	left  int // values that may still be read
}

func newDecoder(c *checker, size int) *decoder {
	return &decoder{checker: c, left: size + maxAliased}
}

// enter begins to read a value; if it returns false there is no more to read.
func (d *decoder) enter(p *path, n *yaml.Node) bool {
	d.left--
	if d.left < 0 || d.depth > maxDepth {
		if d.left != -1 {
			d.left = -1
			d.reject(p, n, nil, "the aliases (*name) of this document multiply it beyond bounds")
		}
		return false
	}
	d.depth++
	return true
}

func (d *decoder) leave() { d.depth-- }

func (d *decoder) lineOf(n *yaml.Node) int { return d.base + n.Line }

// reject reports a value that cannot be read.
func (d *decoder) reject(p *path, n *yaml.Node, value any, format string, args ...any) {
	field := p.String()
	d.unread = append(d.unread, field)
	d.report(CodeRefused, Error, field, d.lineOf(n), value, fmt.Sprintf(format, args...))
}

// message reads a mapping into a message.
func (d *decoder) message(p *path, n *yaml.Node, m protoreflect.Message) {
	if n = resolveAlias(n); n.Kind != yaml.MappingNode {
		d.reject(p, n, nil, "must be a mapping of fields, not %s", kindOf(n))
		return
	}
	d.fields(p, d.mapping(p, n), m)
}

// fields reads the entries of a mapping into the fields of a message.
func (d *decoder) fields(p *path, entries *mapping, m protoreflect.Message) {
	desc := m.Descriptor()
	for _, e := range entries.entries {
		if d.full() {
			return
		}
		at := p.field(e.key)
		fd := fieldOf(desc, e.key)
		if fd == nil {
			d.reject(at, e.name, nil, "there is no such field%s", suggestField(desc, e.key))
			continue
		}
		if m.Has(fd) {
			d.reject(at, e.name, nil, "is another spelling of %s, which is given too", fd.JSONName())
			continue
		}
		if other := rival(m, fd); other != nil {
			d.reject(at, e.name, nil, "cannot stand beside %s: only one of %s may be given", other.JSONName(), members(fd.ContainingOneof()))
			continue
		}
		d.field(at, e.value, m, fd)
	}
	d.schema(p, entries, m)
}

// fieldOf finds a field by its name in YAML: camelCase, except for two that
// the schemas know under both spellings.
func fieldOf(desc protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if name == "mirror_percent" || name == "jwks_uri" {
		return desc.Fields().ByName(protoreflect.Name(name))
	}
	return desc.Fields().ByJSONName(name)
}

// rival is the member of the field's one-of group that is set already.
func rival(m protoreflect.Message, fd protoreflect.FieldDescriptor) protoreflect.FieldDescriptor {
	if group := fd.ContainingOneof(); group != nil && !group.IsSynthetic() {
		return m.WhichOneof(group)
	}
	return nil
}

// members names the fields of a one-of group.
func members(group protoreflect.OneofDescriptor) string {
	var names []string
	for i := range group.Fields().Len() {
		names = append(names, group.Fields().Get(i).JSONName())
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// field reads a value into a field. What cannot be read leaves an empty
// message or nothing behind.
func (d *decoder) field(p *path, n *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	if !d.enter(p, n) {
		return
	}
	defer d.leave()
	switch {
	case fd.IsList():
		d.list(p, n, m, fd)
	case fd.IsMap():
		d.entries(p, n, m, fd)
	default:
		if v, ok := d.value(p, n, fd, func() protoreflect.Value { return m.NewField(fd) }); ok {
			m.Set(fd, v)
		}
	}
}

func (d *decoder) list(p *path, n *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	if n = resolveAlias(n); n.Kind != yaml.SequenceNode {
		d.reject(p, n, nil, "must be a list, not %s", kindOf(n))
		return
	}
	list := m.Mutable(fd).List()
	for i, item := range n.Content {
		at := p.at(i)
		if !d.enter(at, item) {
			return
		}
		v, ok := d.value(at, item, fd, list.NewElement)
		if !ok {
			v = list.NewElement() // so that the items behind it keep their numbers
		}
		list.Append(v)
		d.leave()
	}
}

func (d *decoder) entries(p *path, n *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	if n = resolveAlias(n); n.Kind != yaml.MappingNode {
		d.reject(p, n, nil, "must be a mapping, not %s", kindOf(n))
		return
	}
	dict := m.Mutable(fd).Map()
	for _, e := range d.mapping(p, n).entries {
		at := p.key(e.key)
		if !d.enter(at, e.value) {
			return
		}
		key, ok := mapKey(fd.MapKey(), e.key)
		if !ok {
			d.reject(at, e.name, nil, "the key must be a whole number")
		} else if v, ok := d.value(at, e.value, fd.MapValue(), dict.NewValue); ok {
			dict.Set(key, v)
		}
		d.leave()
	}
}

// value reads one value: a message, a scalar, or one of protobuf's own types.
// The new message, where one is needed, comes from fresh.
func (d *decoder) value(p *path, n *yaml.Node, fd protoreflect.FieldDescriptor, fresh func() protoreflect.Value) (protoreflect.Value, bool) {
	n = resolveAlias(n)
	desc := fd.Message()
	if desc == nil {
		return d.scalar(p, n, fd)
	}
	if isWellKnown(desc) {
		v := fresh()
		return v, d.wellKnown(p, n, v.Message())
	}
	if n.Kind == yaml.ScalarNode && scalarOf(n).kind == null {
		d.reject(p, n, nil, "is empty (null): leave it out, or write {} for one without fields")
		return protoreflect.Value{}, false
	}
	v := fresh()
	d.message(p, n, v.Message())
	return v, true
}

// suggestField says which field may have been meant.
func suggestField(desc protoreflect.MessageDescriptor, name string) string {
	var all []string
	for i := range desc.Fields().Len() {
		all = append(all, desc.Fields().Get(i).JSONName())
	}
	if best := nearest(name, all); best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	slices.Sort(all)
	switch {
	case len(all) == 1:
		return "; the only one is " + all[0]
	case len(all) > 16:
		return ""
	}
	return "; there are " + list(all, "and")
}
