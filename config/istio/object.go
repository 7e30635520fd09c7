package istio

import (
	"cmp"
	"slices"

	"go.yaml.in/yaml/v3"
)

// An object stands at the top of a document, or as an item of a List.
type object struct {
	node *yaml.Node
	item int // in the List, or -1
}

// objectsIn are the objects of a document: itself, or the items of a List such
// as kubectl prints.
func objectsIn(root *yaml.Node) []object {
	root = resolveAlias(root)
	var isList bool
	var items *yaml.Node
	for i := 0; i+1 < len(root.Content); i += 2 {
		switch key, value := root.Content[i].Value, resolveAlias(root.Content[i+1]); {
		case key == "kind":
			isList = value.Value == "List"
		case key == "items" && value.Kind == yaml.SequenceNode:
			items = value
		}
	}
	if !isList || items == nil {
		return []object{{root, -1}}
	}
	var all []object
	for i, item := range items.Content {
		all = append(all, object{resolveAlias(item), i})
	}
	return all
}

// object reads one object.
func (l *loader) object(doc document, node *yaml.Node, item int) {
	if node.Kind != yaml.MappingNode {
		l.findings = append(l.findings, doc.unreadable(node.Line, "is "+kindOf(node)+", where an object with apiVersion and kind belongs"))
		return
	}
	res := &Resource{File: doc.file, Line: doc.line + node.Line, Order: len(l.resources), Namespace: "default", doc: doc, item: item}
	c := &checker{res: res, root: node, base: doc.line}
	d := newDecoder(c, len(doc.text))
	all := d.mapping(nil, node)
	res.APIVersion, res.Kind = d.text(nil, all, "apiVersion"), d.text(nil, all, "kind")
	d.metadata(all)
	l.byKind(d, all)
	slices.SortStableFunc(c.found, func(a, b *Finding) int { return cmp.Compare(a.Line, b.Line) })
	l.findings = append(l.findings, c.found...)
}

// byKind reads an object as its kind asks.
func (l *loader) byKind(d *decoder, all *mapping) {
	res := d.res
	switch {
	case res.APIVersion == "":
		d.add(CodeUnreadable, Error, top("apiVersion"), nil, "is missing")
		return
	case res.Kind == "":
		d.add(CodeUnreadable, Error, top("kind"), nil, "is missing")
		return
	}
	k, reason, level := kindFor(res.APIVersion, res.Kind)
	switch {
	case reason != "":
		code := CodeSkipped
		if level == Error {
			code = CodeUnreadable
		}
		d.add(code, level, nil, nil, "%s", reason)
		return
	case k.kubernetes != nil:
		res.Spec = k.kubernetes(d, all)
	case k.message == nil:
		l.passOver(d, k)
		return
	default:
		l.readIstio(d, k, all)
	}
	res.refused = d.failed()
	l.keep(d, k)
}

// passOver says why an object is not read.
func (l *loader) passOver(d *decoder, k kind) {
	level := k.level
	if k.code == CodeUnsupported && l.SkipUnsupported {
		level = Warning
	}
	d.add(k.code, level, nil, nil, "%s", k.note)
}

// readIstio reads an object of Istio's API and checks it.
func (l *loader) readIstio(d *decoder, k kind, all *mapping) {
	message := k.message()
	d.res.Spec = message
	if k.isMeshConfig() {
		fields := &mapping{}
		for _, e := range all.entries {
			if e.key != "apiVersion" && e.key != "kind" && e.key != "metadata" {
				fields.add(e)
			}
		}
		d.fields(nil, fields, message.ProtoReflect())
	} else {
		d.envelope(all)
		d.status(all)
		if spec := all.get("spec"); spec != nil {
			d.message(top("spec"), spec.value, message.ProtoReflect())
		} else {
			d.schema(top("spec"), &mapping{}, message.ProtoReflect())
		}
	}
	d.checkMetadata()
	k.check(d.checker)
	if k.note != "" {
		d.add(k.code, k.level, nil, nil, "%s", k.note)
	}
}

// status reads what the control plane says of a ServiceEntry.
func (d *decoder) status(all *mapping) {
	if d.res.Kind != "ServiceEntry" {
		return
	}
	var status struct {
		Addresses []struct {
			Value string `yaml:"value"`
		} `yaml:"addresses"`
	}
	d.into(all, "status", &status)
	for _, a := range status.Addresses {
		d.res.Allocated = append(d.res.Allocated, a.Value)
	}
}

// envelope reports what stands beside the spec and should not.
func (d *decoder) envelope(all *mapping) {
	for _, e := range all.entries {
		switch e.key {
		case "apiVersion", "kind", "metadata", "spec", "status":
		default:
			d.reject(top(e.key), e.name, nil, "there is no such field at the top of an object; the settings stand under spec")
		}
	}
}

// keep takes an object that was read.
func (l *loader) keep(d *decoder, k kind) {
	res := d.res
	if k.isMeshConfig() {
		if res.refused {
			return
		}
		if l.mesh != nil {
			d.add(CodeDuplicate, Error, nil, nil, "there is another MeshConfig in %s:%d, and a mesh has one", l.mesh.File, l.mesh.Line)
			return
		}
		l.mesh = res
		return
	}
	if l.twins == nil {
		l.twins = map[string]int{}
	}
	if i, ok := l.twins[res.Key()]; ok {
		twin := l.resources[i]
		d.add(CodeDuplicate, Warning, nil, nil, "replaces the one of this name in %s:%d, as it would in a cluster", twin.File, twin.Line)
		res.Order = twin.Order
		l.resources[i] = res
		return
	}
	l.twins[res.Key()] = len(l.resources)
	l.resources = append(l.resources, res)
}
