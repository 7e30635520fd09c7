package istio

import (
	"cmp"
	"fmt"
	"time"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// A Resource is one object of a document.
type Resource struct {
	Kind        string
	APIVersion  string // as written, such as "networking.istio.io/v1"
	Namespace   string // "default" when the document names none
	Name        string
	Labels      map[string]string
	Annotations map[string]string
	Created     time.Time // metadata.creationTimestamp; zero when absent

	File  string
	Line  int // of the document's first key
	Order int // position over all files and documents, from 0

	// Spec is the message of Istio's API for its kinds, such as
	// *networking.VirtualService. What is read of Kubernetes' own kinds is for this
	// module alone.
	Spec any

	// Allocated are the addresses that the status of a ServiceEntry says it got.
	Allocated []string

	hasNamespace bool              // whether the document names the namespace
	doc          manifest.Document // to find the lines of fields in, read again when asked
	item         int               // the object's place in a List, or -1
	refused      bool              // it has an error
}

// Key is "Kind namespace/name", or what is known of it.
func (r *Resource) Key() string {
	switch {
	case r.Name == "":
		return cmp.Or(r.Kind, "object")
	case r.Namespace == "":
		return r.Kind + " " + r.Name
	}
	return cmp.Or(r.Kind, "object") + " " + r.Namespace + "/" + r.Name
}

// HasNamespace tells whether the document names its namespace, or lies in
// "default" for want of one.
func (r *Resource) HasNamespace() bool { return r.hasNamespace }

// Source names the place of a field: "mesh.yaml:12: VirtualService shop/reviews".
func (r *Resource) Source(field string) string {
	return fmt.Sprintf("%s:%d: %s", r.File, r.LineOf(field), r.Key())
}

// LineOf is the line of the file where a field stands, such as
// "spec.http[2].timeout", or else the nearest thing around it. It reads the
// document again, so it is for messages, not for the way of a request; for many
// fields at once use [Resource.Lines].
func (r *Resource) LineOf(field string) int {
	if field == "" {
		return r.Line
	}
	return r.Lines()(field)
}

// Lines reads the document once and returns LineOf for it.
func (r *Resource) Lines() func(field string) int {
	if root, err := r.doc.Parse(); err == nil && root != nil {
		for _, o := range manifest.ObjectsIn(root) {
			if o.Item == r.item {
				return func(field string) int { return r.doc.Line + manifest.Locate(o.Node, field) }
			}
		}
	}
	return func(string) int { return r.Line }
}
