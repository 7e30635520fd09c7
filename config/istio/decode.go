package istio

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// A decoder reads a YAML value into a message of Istio's API, field by field
// after the message's descriptor. It is as strict as the schema of the kind in
// the cluster, which follows the same descriptors.
type decoder struct {
	*checker
	*manifest.Reader
}

func newDecoder(c *checker, doc manifest.Document) *decoder {
	d := &decoder{checker: c}
	d.Reader = manifest.NewReader(doc, func(p *manifest.Path, n *yaml.Node, reason string) { d.reject(p, n, nil, "%s", reason) })
	return d
}

// reject reports a value that cannot be read.
func (d *decoder) reject(p *manifest.Path, n *yaml.Node, value any, format string, args ...any) {
	field := p.String()
	d.unread = append(d.unread, field)
	d.report(CodeRefused, Error, field, d.LineOf(n), value, fmt.Sprintf(format, args...))
}

// message reads a mapping into a message.
func (d *decoder) message(p *manifest.Path, n *yaml.Node, m protoreflect.Message) {
	if n = manifest.Resolve(n); n.Kind != yaml.MappingNode {
		d.reject(p, n, nil, "must be a mapping of fields, not %s", manifest.KindOf(n))
		return
	}
	d.fields(p, d.Mapping(p, n), m)
}

// fields reads the entries of a mapping into the fields of a message.
func (d *decoder) fields(p *manifest.Path, entries *manifest.Mapping, m protoreflect.Message) {
	desc := m.Descriptor()
	for _, e := range entries.Entries {
		if d.full() {
			return
		}
		at := p.Field(e.Key)
		fd := fieldOf(desc, e.Key)
		if fd == nil {
			d.reject(at, e.Name, nil, "there is no such field%s", suggestField(desc, e.Key))
			continue
		}
		if m.Has(fd) {
			d.reject(at, e.Name, nil, "is another spelling of %s, which is given too", fd.JSONName())
			continue
		}
		if other := rival(m, fd); other != nil {
			d.reject(at, e.Name, nil, "cannot stand beside %s: only one of %s may be given", other.JSONName(), members(fd.ContainingOneof()))
			continue
		}
		d.field(at, e.Value, m, fd)
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
func (d *decoder) field(p *manifest.Path, n *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	if !d.Enter(p, n) {
		return
	}
	defer d.Leave()
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

func (d *decoder) list(p *manifest.Path, n *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	if n = manifest.Resolve(n); n.Kind != yaml.SequenceNode {
		d.reject(p, n, nil, "must be a list, not %s", manifest.KindOf(n))
		return
	}
	list := m.Mutable(fd).List()
	for i, item := range n.Content {
		at := p.At(i)
		if !d.Enter(at, item) {
			return
		}
		v, ok := d.value(at, item, fd, list.NewElement)
		if !ok {
			v = list.NewElement() // so that the items behind it keep their numbers
		}
		list.Append(v)
		d.Leave()
	}
}

func (d *decoder) entries(p *manifest.Path, n *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	if n = manifest.Resolve(n); n.Kind != yaml.MappingNode {
		d.reject(p, n, nil, "must be a mapping, not %s", manifest.KindOf(n))
		return
	}
	dict := m.Mutable(fd).Map()
	for _, e := range d.Mapping(p, n).Entries {
		at := p.Key(e.Key)
		if !d.Enter(at, e.Value) {
			return
		}
		key, ok := mapKey(fd.MapKey(), e.Key)
		if !ok {
			d.reject(at, e.Name, nil, "the key must be a whole number")
		} else if v, ok := d.value(at, e.Value, fd.MapValue(), dict.NewValue); ok {
			dict.Set(key, v)
		}
		d.Leave()
	}
}

// value reads one value: a message, a manifest.Scalar, or one of protobuf's own types.
// The new message, where one is needed, comes from fresh.
func (d *decoder) value(p *manifest.Path, n *yaml.Node, fd protoreflect.FieldDescriptor, fresh func() protoreflect.Value) (protoreflect.Value, bool) {
	n = manifest.Resolve(n)
	desc := fd.Message()
	if desc == nil {
		return d.scalar(p, n, fd)
	}
	if isWellKnown(desc) {
		v := fresh()
		return v, d.wellKnown(p, n, v.Message())
	}
	if n.Kind == yaml.ScalarNode && manifest.ScalarOf(n).Kind == manifest.Null {
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
	if best := manifest.Nearest(name, all); best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	slices.Sort(all)
	switch {
	case len(all) == 1:
		return "; the only one is " + all[0]
	case len(all) > 16:
		return ""
	}
	return "; there are " + manifest.List(all, "and")
}
