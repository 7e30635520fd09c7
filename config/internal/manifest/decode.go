package manifest

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Ignored is the type of a field that may be there and is not looked at.
type Ignored struct{}

var ignored = reflect.TypeFor[Ignored]()

// Decode reads a value into what v points to, strictly: every key must be that of
// a field, and every value of its type. Fields have their names from yaml tags.
// Null is the same as nothing, as it is to an API server. Integers, booleans,
// strings, structs, pointers, slices and maps of strings are known.
func (r *Reader) Decode(p *Path, n *yaml.Node, v any) {
	r.decode(p, n, reflect.ValueOf(v).Elem())
}

func (r *Reader) decode(p *Path, n *yaml.Node, v reflect.Value) {
	if !r.Enter(p, n) {
		return
	}
	defer r.Leave()
	if n = Resolve(n); IsNull(n) || v.Type() == ignored {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.decode(p, n, v.Elem())
	case reflect.Struct:
		r.decodeStruct(p, n, v)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			r.rejectf(p, n, "must be a list, not %s", KindOf(n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, item := range n.Content {
			r.decode(p.At(i), item, v.Index(i))
		}
	case reflect.Map:
		r.decodeMap(p, n, v)
	default:
		r.decodeScalar(p, n, v)
	}
}

func (r *Reader) decodeStruct(p *Path, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		r.rejectf(p, n, "must be a mapping of fields, not %s", KindOf(n))
		return
	}
	for _, e := range r.Mapping(p, n).Entries {
		if r.rejected > maxRejected {
			return
		}
		if i := fieldNamed(v.Type(), e.Key); i >= 0 {
			r.decode(p.Field(e.Key), e.Value, v.Field(i))
			continue
		}
		names := fieldNames(v.Type())
		hint := DidYouMean(Nearest(e.Key, names))
		if hint == "" && len(names) > 0 && len(names) <= 16 {
			slices.Sort(names)
			hint = "; there are " + List(names, "and")
		}
		r.rejectf(p.Entry(e.Key), e.Name, "there is no such field%s", hint)
	}
}

func (r *Reader) decodeMap(p *Path, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		r.rejectf(p, n, "must be a mapping, not %s", KindOf(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range r.Mapping(p, n).Entries {
		item := reflect.New(v.Type().Elem()).Elem()
		r.decode(p.Key(e.Key), e.Value, item)
		v.SetMapIndex(reflect.ValueOf(e.Key), item)
	}
}

func (r *Reader) decodeScalar(p *Path, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		r.rejectf(p, n, "must be %s, not %s", wantedKind(v.Kind()), KindOf(n))
		return
	}
	s := ScalarOf(n)
	switch v.Kind() {
	case reflect.String:
		if s.Kind == Text {
			v.SetString(s.Text)
			return
		}
		r.rejectf(p, n, "must be a string, and YAML reads %s as %s: put it in quotes", s.Text, s.Kind)
	case reflect.Bool:
		if s.Kind == Boolean {
			v.SetBool(s.Truth)
			return
		}
		r.rejectf(p, n, "must be true or false, not %s", s.Kind)
	default:
		i, whole := s.Integer()
		if whole && !v.OverflowInt(i) {
			v.SetInt(i)
			return
		}
		r.rejectf(p, n, "must be a whole number (got %s)", s.Text[:min(len(s.Text), maxShown)])
	}
}

// maxRejected bounds how many fields that do not exist are looked at: each costs the
// search for one that may have been meant.
const maxRejected = 100

// maxShown bounds what a message repeats of a value, in bytes.
const maxShown = 200

func wantedKind(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	}
	return "a whole number"
}

// fieldNamed is the place of a field, or -1.
func fieldNamed(t reflect.Type, name string) int {
	for i := range t.NumField() {
		if nameOf(t.Field(i)) == name {
			return i
		}
	}
	return -1
}

func fieldNames(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		if name := nameOf(t.Field(i)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}
