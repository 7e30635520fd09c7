package manifest

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Document is one YAML document of a file.
type Document struct {
	File string
	Line int // lines of the file before it
	Text []byte
}

// Split parts a file at the lines that begin with ---, so that a mistake in one
// document leaves the others readable.
func Split(file string, data []byte) []Document {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var docs []Document
	start, line := 0, 0
	for at := 0; ; {
		next := bytes.Index(data[at:], []byte("\n---"))
		if next < 0 {
			return append(docs, Document{file, line, data[start:]})
		}
		at += next + 1
		if isMarker(data[at:]) {
			docs = append(docs, Document{file, line, data[start:at]})
			line += bytes.Count(data[start:at], []byte("\n"))
			start = at
		}
	}
}

// lastDocument is where the last document of a file begins of which data is the
// beginning, and up to where that is certain. It goes on from what it found in less
// of the file.
func lastDocument(data []byte, last, seen int) (int, int) {
	for {
		next := bytes.Index(data[seen:], []byte("\n---"))
		if next < 0 {
			return last, max(seen, len(data)-len("\n--"))
		}
		at := seen + next + 1
		if at+3 == len(data) {
			return last, at - 1 // what follows decides
		}
		if isMarker(data[at:]) {
			last = at
		}
		seen = at
	}
}

// isMarker tells whether three dashes begin a document.
func isMarker(data []byte) bool {
	return len(data) == 3 || strings.IndexByte(" \t\r\n", data[3]) >= 0
}

// Parse reads the YAML of a document. The node is nil if there is nothing in it.
func (d *Document) Parse() (*yaml.Node, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(d.Text, &doc); err != nil {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 || IsNull(doc.Content[0]) {
		return nil, nil
	}
	return doc.Content[0], nil
}

// maxDocument is what a Kubernetes API server takes in one request.
const maxDocument = 3 << 20

// Objects are the objects of a document, or the line of it and why there are
// none. An empty document has none and no reason.
func (d *Document) Objects() (objects []Object, line int, reason string) {
	if len(d.Text) > maxDocument {
		return nil, 1, fmt.Sprintf("the document is larger than %d MiB, which is all that an API server takes; it and what follows are not read", maxDocument>>20)
	}
	root, err := d.Parse()
	switch {
	case err != nil:
		line, reason = d.syntax(err)
		return nil, line, reason
	case root == nil:
		return nil, 0, ""
	case Resolve(root).Kind != yaml.MappingNode:
		return nil, root.Line, "is " + KindOf(root) + ", where an object with apiVersion and kind belongs"
	}
	return ObjectsIn(root), 0, ""
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// syntax turns an error of the YAML parser into a message with its line.
func (d *Document) syntax(err error) (line int, reason string) {
	line = 1
	if m := yamlLine.FindStringSubmatch(err.Error()); m[1] != "" {
		line, _ = strconv.Atoi(m[1])
	}
	text := ErrorText(err)
	if strings.Contains(text, "cannot start any token") && bytes.ContainsRune(d.Text, '\t') {
		text += " (a tab cannot indent; use spaces)"
	}
	return line, "is no valid YAML: " + text
}

// ErrorText is the first complaint of the YAML package.
func ErrorText(err error) string {
	if typed, ok := err.(*yaml.TypeError); ok && len(typed.Errors) > 0 {
		return yamlLine.ReplaceAllString(typed.Errors[0], "")
	}
	return yamlLine.ReplaceAllString(err.Error(), "")
}

// An Object stands at the top of a document, or as an item of a List.
type Object struct {
	Node *yaml.Node
	Item int // in the List, or -1
}

// ObjectsIn are the objects of a document: itself, or the items of a List such
// as kubectl prints.
func ObjectsIn(root *yaml.Node) []Object {
	root = Resolve(root)
	var isList bool
	var items *yaml.Node
	for i := 0; i+1 < len(root.Content); i += 2 {
		switch key, value := root.Content[i].Value, Resolve(root.Content[i+1]); {
		case key == "kind":
			isList = value.Value == "List"
		case key == "items" && value.Kind == yaml.SequenceNode:
			items = value
		}
	}
	if !isList || items == nil {
		return []Object{{root, -1}}
	}
	var all []Object
	for i, item := range items.Content {
		all = append(all, Object{Resolve(item), i})
	}
	return all
}
