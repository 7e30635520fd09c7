package istio

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh"
)

// A document is one YAML document of a file.
type document struct {
	file string
	line int // lines of the file before it
	text []byte
}

// split parts a file at the lines that begin with ---, so that a mistake in one
// document leaves the others readable.
func split(file string, data []byte) []document {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var docs []document
	start, line := 0, 0
	for at := 0; ; {
		next := bytes.Index(data[at:], []byte("\n---"))
		if next < 0 {
			return append(docs, document{file, line, data[start:]})
		}
		at += next + 1
		if isMarker(data[at:]) {
			docs = append(docs, document{file, line, data[start:at]})
			line += bytes.Count(data[start:at], []byte("\n"))
			start = at
		}
	}
}

// isMarker tells whether three dashes begin a document.
func isMarker(data []byte) bool {
	return len(data) == 3 || strings.IndexByte(" \t\r\n", data[3]) >= 0
}

// parse reads the YAML of a document. The node is nil if there is nothing in it.
func (d *document) parse() (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(d.text, &doc); err != nil {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, nil
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && scalarOf(root).kind == null {
		return nil, nil
	}
	return root, nil
}

// unreadable is what to say of a document that is no object.
func (d *document) unreadable(line int, reason string) *Finding {
	return &Finding{
		Problem: &mesh.Problem{Source: fmt.Sprintf("%s:%d", d.file, d.line+line), Reason: reason},
		Code:    CodeUnreadable, Level: Error, File: d.file, Line: d.line + line,
	}
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// syntax turns an error of the YAML parser into a finding with its line.
func (d *document) syntax(err error) *Finding {
	line := 1
	if m := yamlLine.FindStringSubmatch(err.Error()); m[1] != "" {
		line, _ = strconv.Atoi(m[1])
	}
	text := yamlError(err)
	if strings.Contains(text, "cannot start any token") && bytes.ContainsRune(d.text, '\t') {
		text += " (a tab cannot indent; use spaces)"
	}
	return d.unreadable(line, "is no valid YAML: "+text)
}

// metadata reads what every object has: names, labels, annotations, age.
func (d *decoder) metadata(all *mapping) {
	e := all.get("metadata")
	if e == nil {
		return
	}
	p, n := top("metadata"), resolveAlias(e.value)
	if n.Kind != yaml.MappingNode {
		if n.Kind != yaml.ScalarNode || scalarOf(n).kind != null {
			d.reject(p, n, nil, "must be a mapping of fields, not %s", kindOf(n))
		}
		return
	}
	m := d.mapping(p, n)
	d.res.Name = d.text(p, m, "name")
	if ns := d.text(p, m, "namespace"); ns != "" {
		d.res.Namespace, d.res.hasNamespace = ns, true
	}
	d.res.Labels = d.texts(p, m, "labels")
	d.res.Annotations = d.texts(p, m, "annotations")
	if created := d.text(p, m, "creationTimestamp"); created != "" {
		t, err := time.Parse(time.RFC3339, created)
		if err != nil {
			d.reject(p.field("creationTimestamp"), m.get("creationTimestamp").value, created, "must be a time such as 2026-01-31T12:00:00Z")
		}
		d.res.Created = t
	}
	for _, e := range m.entries {
		if !objectMeta[e.key] {
			names := make([]string, 0, len(objectMeta))
			for name := range objectMeta {
				names = append(names, name)
			}
			d.reject(p.field(e.key), e.name, nil, "there is no such field%s", didYouMean(nearest(e.key, names)))
		}
	}
}

// objectMeta are the fields of metadata.
var objectMeta = map[string]bool{
	"name": true, "namespace": true, "labels": true, "annotations": true, "creationTimestamp": true,
	"generateName": true, "uid": true, "resourceVersion": true, "generation": true, "selfLink": true,
	"ownerReferences": true, "finalizers": true, "managedFields": true,
	"deletionTimestamp": true, "deletionGracePeriodSeconds": true,
}

// text reads a field that holds text; it may be null or missing.
func (d *decoder) text(p *path, m *mapping, name string) string {
	e := m.get(name)
	if e == nil {
		return ""
	}
	n := resolveAlias(e.value)
	if n.Kind != yaml.ScalarNode {
		d.reject(p.field(name), n, nil, "must be a string, not %s", kindOf(n))
		return ""
	}
	s := scalarOf(n)
	if s.kind != text && s.kind != null {
		d.reject(p.field(name), n, nil, "must be a string, and YAML reads %s as %s: put it in quotes", s.text, s.kind)
	}
	return s.orEmpty()
}

// texts reads a field that maps text to text.
func (d *decoder) texts(p *path, m *mapping, name string) map[string]string {
	e := m.get(name)
	if e == nil {
		return nil
	}
	at, n := p.field(name), resolveAlias(e.value)
	if n.Kind != yaml.MappingNode {
		if n.Kind != yaml.ScalarNode || scalarOf(n).kind != null {
			d.reject(at, n, nil, "must be a mapping, not %s", kindOf(n))
		}
		return nil
	}
	entries := d.mapping(at, n)
	all := make(map[string]string, len(entries.entries))
	for _, e := range entries.entries {
		v := resolveAlias(e.value)
		if v.Kind != yaml.ScalarNode {
			d.reject(at.key(e.key), v, nil, "must be a string, not %s", kindOf(v))
			continue
		}
		s := scalarOf(v)
		if s.kind != text && s.kind != null {
			d.reject(at.key(e.key), v, nil, "must be a string, and YAML reads %s as %s: put it in quotes", s.text, s.kind)
		}
		all[e.key] = s.orEmpty()
	}
	return all
}
