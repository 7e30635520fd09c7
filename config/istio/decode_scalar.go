package istio

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// scalar reads a value without parts.
func (d *decoder) scalar(p *manifest.Path, n *yaml.Node, fd protoreflect.FieldDescriptor) (v protoreflect.Value, ok bool) {
	if n.Kind != yaml.ScalarNode {
		d.reject(p, n, nil, "must be %s, not %s", wanted(fd), manifest.KindOf(n))
		return v, false
	}
	s := manifest.ScalarOf(n)
	if s.Kind == manifest.Null {
		d.reject(p, n, nil, "is empty (null), where %s belongs: leave the field out or give it a value", wanted(fd))
		return v, false
	}
	switch fd.Kind() {
	case protoreflect.StringKind:
		if s.Kind == manifest.Text {
			return protoreflect.ValueOfString(s.Text), true
		}
		d.reject(p, n, nil, "must be a string, and YAML reads %v as %s: put it in quotes", written(s), s.Kind)
	case protoreflect.BytesKind:
		if b, err := base64.StdEncoding.DecodeString(s.Text); err == nil && s.Kind == manifest.Text {
			return protoreflect.ValueOfBytes(b), true
		}
		d.reject(p, n, s.Text, "must be base64")
	case protoreflect.BoolKind:
		if s.Kind == manifest.Boolean {
			return protoreflect.ValueOfBool(s.Truth), true
		}
		d.reject(p, n, written(s), "must be true or false, not %s", s.Kind)
	case protoreflect.EnumKind:
		return d.enum(p, n, s, fd.Enum())
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		s = d.unquoted(p, s)
		if (s.Kind == manifest.Integer || s.Kind == manifest.Float) && !math.IsNaN(s.Number) && !math.IsInf(s.Number, 0) {
			if fd.Kind() == protoreflect.FloatKind {
				return protoreflect.ValueOfFloat32(float32(s.Number)), true
			}
			return protoreflect.ValueOfFloat64(s.Number), true
		}
		d.reject(p, n, written(s), "must be a number")
	default:
		return d.wholeNumber(p, n, s, fd.Kind())
	}
	return v, false
}

// wholeNumber reads an integer of any width.
func (d *decoder) wholeNumber(p *manifest.Path, n *yaml.Node, s manifest.Scalar, kind protoreflect.Kind) (v protoreflect.Value, ok bool) {
	least, most := int64(0), int64(math.MaxUint32)
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		least, most = math.MinInt32, math.MaxInt32
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		least, most = math.MinInt64, math.MaxInt64
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		most = math.MaxInt64
	}
	s = d.unquoted(p, s)
	i, whole := s.Integer()
	switch {
	case !whole:
		d.reject(p, n, written(s), "must be a whole number")
		return v, false
	case i < least || i > most:
		d.reject(p, n, written(s), "must be a whole number from %d to %d", least, most)
		return v, false
	}
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(i)), true
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(i)), true
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(i)), true
	}
	return protoreflect.ValueOfInt64(i), true
}

// enum reads the name of an enumeration's value.
func (d *decoder) enum(p *manifest.Path, n *yaml.Node, s manifest.Scalar, desc protoreflect.EnumDescriptor) (v protoreflect.Value, ok bool) {
	var names []string
	for i := range desc.Values().Len() {
		value := desc.Values().Get(i)
		if s.Kind == manifest.Text && s.Text == string(value.Name()) {
			return protoreflect.ValueOfEnum(value.Number()), true
		}
		if s.Kind == manifest.Integer && s.Whole == int64(value.Number()) {
			d.refuse(p, bare(s.Text), "must be written by its name, %s", value.Name())
			return protoreflect.ValueOfEnum(value.Number()), true
		}
		names = append(names, string(value.Name()))
	}
	d.reject(p, n, written(s), "must be one of %s%s", manifest.List(names, "or"), manifest.DidYouMean(manifest.Nearest(s.Text, names)))
	return v, false
}

// mapKey reads the key of a map.
func mapKey(fd protoreflect.FieldDescriptor, key string) (k protoreflect.MapKey, ok bool) {
	if fd.Kind() == protoreflect.StringKind {
		return protoreflect.ValueOfString(key).MapKey(), true
	}
	i, err := strconv.ParseUint(key, 10, 32)
	return protoreflect.ValueOfUint32(uint32(i)).MapKey(), err == nil && fd.Kind() == protoreflect.Uint32Kind
}

// wanted names the type of a field.
func wanted(fd protoreflect.FieldDescriptor) string {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return "a string"
	case protoreflect.BytesKind:
		return "base64 text"
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.EnumKind:
		return "a name"
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return "a number"
	}
	return "a whole number"
}

// written is a scalar as it stands in the document, for a message: text in
// quotes, anything else bare, and not too much of it.
func written(s manifest.Scalar) any {
	shown := s.Text
	if len(shown) > maxShown {
		shown = strings.ToValidUTF8(shown[:maxShown], "") + "..."
	}
	if s.Kind == manifest.Text {
		return shown
	}
	return bare(shown)
}

// maxShown bounds what a message repeats of a value, in bytes.
const maxShown = 200

type bare string

// unquoted is the number in a text where a number belongs. That it stands in
// quotes is reported, and the value taken all the same, so that what else is
// wrong with it is seen.
func (d *decoder) unquoted(p *manifest.Path, s manifest.Scalar) manifest.Scalar {
	if s.Kind != manifest.Text {
		return s
	}
	number := manifest.Plain(s.Text)
	if number.Kind != manifest.Integer && number.Kind != manifest.Float {
		return s
	}
	d.refuse(p, s.Text, "must be a number without quotes")
	return number
}
