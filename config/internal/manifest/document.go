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

// Each gives every object of a document to object, and tells unreadable of what is
// none, with its line in the file. An empty document has neither.
func (d *Document) Each(object func(Object), unreadable func(line int, reason string)) {
	if len(d.Text) > maxDocument {
		unreadable(d.Line+1, fmt.Sprintf("the document is larger than %d MiB, which is all that an API server takes; it and what follows are not read", maxDocument>>20))
		return
	}
	root, err := d.Parse()
	if err != nil {
		line, reason := d.syntax(err)
		unreadable(d.Line+line, reason)
		return
	}
	if root == nil {
		return
	}
	for _, o := range ObjectsIn(root) {
		if o.Node.Kind != yaml.MappingNode {
			unreadable(d.Line+o.Node.Line, "is "+KindOf(o.Node)+", where an object with apiVersion and kind belongs")
			continue
		}
		object(o)
	}
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
// as kubectl prints. They may be no mappings.
func ObjectsIn(root *yaml.Node) []Object {
	root = Resolve(root)
	if root.Kind != yaml.MappingNode {
		return []Object{{root, -1}}
	}
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
