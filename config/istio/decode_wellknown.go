package istio

import (
	"time"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// isWellKnown tells whether a message is one of protobuf's own, which YAML
// writes in a form of its own.
func isWellKnown(desc protoreflect.MessageDescriptor) bool {
	return desc.FullName().Parent() == "google.protobuf"
}

// wellKnown reads such a message: a duration as text, a wrapped value as the
// value (null for none), free-form data as it stands.
func (d *decoder) wellKnown(p *manifest.Path, n *yaml.Node, m protoreflect.Message) bool {
	switch m.Descriptor().Name() {
	case "Duration":
		return d.duration(p, n, m)
	case "Struct", "Value", "ListValue":
		return d.free(p, n, m)
	}
	value := m.Descriptor().Fields().ByName("value") // BoolValue, UInt32Value and their like
	if value == nil {
		d.message(p, n, m)
		return true
	}
	if n.Kind == yaml.ScalarNode && manifest.ScalarOf(n).Kind == manifest.Null {
		return false
	}
	v, ok := d.scalar(p, n, value)
	if ok {
		m.Set(value, v)
	}
	return ok
}

// duration reads what Go writes for one: "10s", "1m30s", ".5s".
func (d *decoder) duration(p *manifest.Path, n *yaml.Node, m protoreflect.Message) bool {
	if n.Kind != yaml.ScalarNode {
		d.reject(p, n, nil, "must be a duration such as 10s, not %s", manifest.KindOf(n))
		return false
	}
	s := manifest.ScalarOf(n)
	if s.Kind != manifest.Text {
		if s.Kind == manifest.Integer || s.Kind == manifest.Float {
			d.reject(p, n, written(s), "a duration needs a unit: %ss, or %sms", s.Text, s.Text)
		} else {
			d.reject(p, n, nil, "must be a duration such as 10s, not %s", s.Kind)
		}
		return false
	}
	v, err := time.ParseDuration(s.Text)
	if err != nil {
		d.reject(p, n, written(s), "is no duration: write it like 10s, 250ms or 1m30s (units h, m, s, ms, us, ns)")
		return false
	}
	proto := durationpb.New(v)
	fields := m.Descriptor().Fields()
	m.Set(fields.ByName("seconds"), protoreflect.ValueOfInt64(proto.Seconds))
	m.Set(fields.ByName("nanos"), protoreflect.ValueOfInt32(proto.Nanos))
	return true
}

// free reads data of any form.
func (d *decoder) free(p *manifest.Path, n *yaml.Node, m protoreflect.Message) bool {
	v, err := structpb.NewValue(d.any(p, n))
	if err != nil {
		d.reject(p, n, nil, "cannot be read: %v", err)
		return false
	}
	var from protoreflect.Message
	switch m.Descriptor().Name() {
	case "Value":
		from = v.ProtoReflect()
	case "Struct":
		if v.GetStructValue() == nil {
			d.reject(p, n, nil, "must be a mapping, not %s", manifest.KindOf(n))
			return false
		}
		from = v.GetStructValue().ProtoReflect()
	default:
		if v.GetListValue() == nil {
			d.reject(p, n, nil, "must be a list, not %s", manifest.KindOf(n))
			return false
		}
		from = v.GetListValue().ProtoReflect()
	}
	from.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		m.Set(fd, v)
		return true
	})
	return true
}

// any reads a value of any form as encoding/json would.
func (d *decoder) any(p *manifest.Path, n *yaml.Node) any {
	if !d.Enter(p, n) {
		return nil
	}
	defer d.Leave()
	switch n = manifest.Resolve(n); n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for _, e := range d.Mapping(p, n).Entries {
			m[e.Key] = d.any(p.Key(e.Key), e.Value)
		}
		return m
	case yaml.SequenceNode:
		l := make([]any, 0, len(n.Content))
		for i, item := range n.Content {
			l = append(l, d.any(p.At(i), item))
		}
		return l
	}
	switch s := manifest.ScalarOf(n); s.Kind {
	case manifest.Null:
		return nil
	case manifest.Boolean:
		return s.Truth
	case manifest.Integer, manifest.Float:
		return s.Number
	default:
		return s.Text
	}
}
