package istio

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	slashed "path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh"
)

// Limits of what is read. That of a document is what a Kubernetes API server
// takes in one request.
const (
	maxFile     = 64 << 20
	maxDocument = 3 << 20
)

// Options say how documents are read.
type Options struct {
	// SkipUnsupported makes a warning of an object that changes behaviour in a
	// way this library cannot carry out, such as an EnvoyFilter. By default it
	// is an error.
	SkipUnsupported bool
}

// Parse reads all documents of one file; name stands in problems. The error
// joins every problem of every document as *mesh.Problem. The Config is never
// nil: beside an error it holds the objects that are right and all findings,
// for those who analyze documents rather than run them.
func Parse(name string, r io.Reader) (*Config, error) { return Options{}.Parse(name, r) }

// ParseFS reads the files of fsys that the globs name, see [fs.Glob], in the
// order of globs and names. A folder stands for the YAML and JSON files in it.
func ParseFS(fsys fs.FS, globs ...string) (*Config, error) { return Options{}.ParseFS(fsys, globs...) }

// ParseFiles reads files and folders by their path; "-" is the standard input.
func ParseFiles(paths ...string) (*Config, error) { return Options{}.ParseFiles(paths...) }

// Parse is [Parse] with these options.
func (o Options) Parse(name string, r io.Reader) (*Config, error) {
	l := loader{Options: o}
	l.read(name, r)
	return l.config()
}

// ParseFS is [ParseFS] with these options.
func (o Options) ParseFS(fsys fs.FS, globs ...string) (*Config, error) {
	l := loader{Options: o}
	for _, glob := range globs {
		names, err := fs.Glob(fsys, glob)
		if err == nil && len(names) == 0 {
			err = fs.ErrNotExist
		}
		if err != nil {
			l.missing(glob, err)
		}
		for _, name := range names {
			l.walk(fsys, name, name)
		}
	}
	return l.config()
}

// ParseFiles is [ParseFiles] with these options.
func (o Options) ParseFiles(paths ...string) (*Config, error) {
	l := loader{Options: o}
	for _, p := range paths {
		if p == "-" {
			l.read("-", os.Stdin)
			continue
		}
		dir, base := filepath.Split(filepath.Clean(p))
		if base == "." || base == ".." || base == "" || strings.HasSuffix(p, string(filepath.Separator)) {
			dir, base = p, "."
		}
		if dir == "" {
			dir = "."
		}
		l.walk(os.DirFS(dir), base, filepath.Clean(p))
	}
	return l.config()
}

// A loader gathers what documents hold.
type loader struct {
	Options
	resources []*Resource
	findings  []*Finding
	mesh      *Resource
	twins     map[string]int // places in resources, by kind and name
}

// walk reads a file, or the YAML and JSON files of a folder and those below it.
func (l *loader) walk(fsys fs.FS, root, shown string) {
	err := fs.WalkDir(fsys, root, func(name string, entry fs.DirEntry, err error) error {
		display := shown
		if name != root {
			display = slashed.Join(filepath.ToSlash(shown), strings.TrimPrefix(strings.TrimPrefix(name, root), "/"))
		}
		switch {
		case err != nil:
			l.missing(display, err)
			return nil
		case name != root && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() { // such as the ..data of a mounted ConfigMap, whose files are linked beside it
				return fs.SkipDir
			}
			return nil
		case entry.IsDir(), name != root && !isConfigFile(name):
			return nil
		}
		f, err := fsys.Open(name)
		if err != nil {
			l.missing(display, err)
			return nil
		}
		defer f.Close()
		l.read(display, f)
		return nil
	})
	if err != nil {
		l.missing(shown, err)
	}
}

func isConfigFile(name string) bool {
	switch slashed.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// missing reports a file that cannot be read.
func (l *loader) missing(name string, err error) {
	l.findings = append(l.findings, &Finding{
		Problem: &mesh.Problem{Source: name, Reason: "cannot be read: " + err.Error()},
		Code:    CodeUnreadable, Level: Error, File: name,
	})
}

// read reads the documents of one file.
func (l *loader) read(name string, r io.Reader) {
	var buf bytes.Buffer
	buf.Grow(sizeOf(r) + bytes.MinRead)
	_, err := buf.ReadFrom(io.LimitReader(r, maxFile+1))
	data := buf.Bytes()
	if err != nil {
		l.missing(name, err)
		return
	}
	if len(data) > maxFile {
		l.missing(name, fmt.Errorf("is larger than %d MiB", maxFile>>20))
		return
	}
	for _, doc := range split(name, data) {
		l.document(doc)
	}
}

// sizeOf is how much there is to read, where the reader can tell.
func sizeOf(r io.Reader) int {
	switch r := r.(type) {
	case interface{ Len() int }:
		return min(r.Len(), maxFile)
	case fs.File:
		if info, err := r.Stat(); err == nil {
			return int(min(info.Size(), maxFile))
		}
	}
	return 0
}

// document reads one document: an object, or a List of them.
func (l *loader) document(doc document) {
	if len(doc.text) > maxDocument {
		l.findings = append(l.findings, doc.unreadable(1, fmt.Sprintf("the document has %d MiB; an API server takes at most %d MiB", len(doc.text)>>20, maxDocument>>20)))
		return
	}
	root, err := doc.parse()
	switch {
	case err != nil:
		l.findings = append(l.findings, doc.syntax(err))
	case root == nil:
	case resolveAlias(root).Kind != yaml.MappingNode:
		l.findings = append(l.findings, doc.unreadable(root.Line, "is "+kindOf(root)+", where an object with apiVersion and kind belongs"))
	default:
		for _, object := range objectsIn(root) {
			l.object(doc, object.node, object.item)
		}
	}
}

// config ends the loading: objects by age, findings by place.
func (l *loader) config() (*Config, error) {
	slices.SortStableFunc(l.resources, younger)
	c := &Config{resources: l.resources, findings: l.findings, mesh: l.mesh}
	return c, c.Err()
}

// younger orders objects by age: those without a creation time first and by
// their place, then by time, name and namespace, as Istio does.
func younger(a, b *Resource) int {
	if c := a.Created.Compare(b.Created); c != 0 || a.Created.IsZero() {
		return cmp.Or(c, cmp.Compare(a.Order, b.Order))
	}
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Order, b.Order))
}
