package manifest

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// Metadata is what every object has.
type Metadata struct {
	Name        string
	Namespace   string // empty when the document names none
	Labels      map[string]string
	Annotations map[string]string
	Created     time.Time // zero when absent
}

// Metadata reads the metadata of an object. It tells the object's name as soon as
// that is known, so that problems with the rest can name it.
func (r *Reader) Metadata(all *Mapping, named func(name, namespace string)) (meta Metadata) {
	e := all.Get("metadata")
	if e == nil {
		return meta
	}
	p, n := Top("metadata"), Resolve(e.Value)
	if n.Kind != yaml.MappingNode {
		if !IsNull(n) {
			r.rejectf(p, n, "must be a mapping of fields, not %s", KindOf(n))
		}
		return meta
	}
	m := r.Mapping(p, n)
	meta.Name = r.Text(p, m, "name")
	meta.Namespace = r.Text(p, m, "namespace")
	named(meta.Name, meta.Namespace)
	meta.Labels = r.Texts(p, m, "labels")
	meta.Annotations = r.Texts(p, m, "annotations")
	if created := r.Text(p, m, "creationTimestamp"); created != "" {
		t, err := time.Parse(time.RFC3339, created)
		if err != nil {
			r.rejectf(p.Field("creationTimestamp"), m.Get("creationTimestamp").Value, "must be a time such as 2026-01-31T12:00:00Z (got %q)", created)
		}
		meta.Created = t
	}
	for _, e := range m.Entries {
		if !objectMeta[e.Key] {
			names := make([]string, 0, len(objectMeta))
			for name := range objectMeta {
				names = append(names, name)
			}
			r.rejectf(p.Field(e.Key), e.Name, "there is no such field%s", DidYouMean(Nearest(e.Key, names)))
		}
	}
	return meta
}

// objectMeta are the fields of metadata.
var objectMeta = map[string]bool{
	"name": true, "namespace": true, "labels": true, "annotations": true, "creationTimestamp": true,
	"generateName": true, "uid": true, "resourceVersion": true, "generation": true, "selfLink": true,
	"ownerReferences": true, "finalizers": true, "managedFields": true,
	"deletionTimestamp": true, "deletionGracePeriodSeconds": true,
}
