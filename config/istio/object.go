package istio

import (
	"cmp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh/config/internal/kube"
	"github.com/sidecarless/mesh/config/internal/manifest"
)

// object reads one object.
func (l *loader) object(doc manifest.Document, node *yaml.Node, item int) {
	res := &Resource{File: doc.File, Line: doc.Line + node.Line, Order: len(l.resources), Namespace: "default", doc: doc, item: item}
	c := &checker{res: res, root: node, base: doc.Line}
	d := newDecoder(c, doc)
	all := d.Mapping(nil, node)
	res.APIVersion, res.Kind = d.Text(nil, all, "apiVersion"), d.Text(nil, all, "kind")
	d.metadata(all)
	l.byKind(d, all)
	slices.SortStableFunc(c.found, func(a, b *Finding) int { return cmp.Compare(a.Line, b.Line) })
	l.findings = append(l.findings, c.found...)
}

// metadata reads what every object has.
func (d *decoder) metadata(all *manifest.Mapping) {
	m := d.Metadata(all, func(name, namespace string) {
		d.res.Name = name
		if namespace != "" {
			d.res.Namespace, d.res.hasNamespace = namespace, true
		}
	})
	d.res.Labels, d.res.Annotations, d.res.Created = m.Labels, m.Annotations, m.Created
}

// byKind reads an object as its kind asks.
func (l *loader) byKind(d *decoder, all *manifest.Mapping) {
	res := d.res
	switch {
	case res.APIVersion == "":
		d.add(CodeUnreadable, Error, manifest.Top("apiVersion"), nil, "is missing")
		return
	case res.Kind == "":
		d.add(CodeUnreadable, Error, manifest.Top("kind"), nil, "is missing")
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
	case k.read != nil:
		res.Spec = k.read(d, all)
	case k.message == nil:
		l.passOver(d, k)
		return
	default:
		l.readIstio(d, k, all)
	}
	res.refused = d.failed()
	l.keep(d, k)
}

// kube is the object as one of Kubernetes' own.
func (d *decoder) kube(all *manifest.Mapping) *kube.Object {
	return &kube.Object{
		Fields: all, Labels: d.res.Labels, Annotations: d.res.Annotations,
		Reject: func(p *manifest.Path, n *yaml.Node, reason string) { d.reject(p, n, nil, "%s", reason) },
	}
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
func (l *loader) readIstio(d *decoder, k kind, all *manifest.Mapping) {
	message := k.message()
	d.res.Spec = message
	if k.isMeshConfig() {
		fields := &manifest.Mapping{}
		for _, e := range all.Entries {
			if e.Key != "apiVersion" && e.Key != "kind" && e.Key != "metadata" {
				fields.Add(e)
			}
		}
		d.fields(nil, fields, message.ProtoReflect())
	} else {
		d.envelope(all)
		d.status(all)
		if spec := all.Get("spec"); spec != nil {
			d.message(manifest.Top("spec"), spec.Value, message.ProtoReflect())
		} else {
			d.schema(manifest.Top("spec"), &manifest.Mapping{}, message.ProtoReflect())
		}
	}
	d.checkMetadata()
	k.check(d.checker)
	d.unsupported()
	if k.note != "" {
		d.add(k.code, k.level, nil, nil, "%s", k.note)
	}
}

// status reads what the control plane says of a ServiceEntry.
func (d *decoder) status(all *manifest.Mapping) {
	if d.res.Kind != "ServiceEntry" {
		return
	}
	var status struct {
		Addresses []struct {
			Value string `yaml:"value"`
		} `yaml:"addresses"`
	}
	d.kube(all).Into("status", &status)
	for _, a := range status.Addresses {
		d.res.Allocated = append(d.res.Allocated, a.Value)
	}
}

// envelope reports what stands beside the spec and should not.
func (d *decoder) envelope(all *manifest.Mapping) {
	for _, e := range all.Entries {
		switch e.Key {
		case "apiVersion", "kind", "metadata", "spec", "status":
		default:
			d.reject(manifest.Top(e.Key), e.Name, nil, "there is no such field at the top of an object; the settings stand under spec")
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
