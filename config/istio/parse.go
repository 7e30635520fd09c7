package istio

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/manifest"
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
	l.files().Read(name, r)
	return l.config()
}

// ParseFS is [ParseFS] with these options.
func (o Options) ParseFS(fsys fs.FS, globs ...string) (*Config, error) {
	l := loader{Options: o}
	l.files().Globs(fsys, globs...)
	return l.config()
}

// ParseFiles is [ParseFiles] with these options.
func (o Options) ParseFiles(paths ...string) (*Config, error) {
	l := loader{Options: o}
	l.files().Paths(paths...)
	return l.config()
}

// A loader gathers what documents hold.
type loader struct {
	Options
	resources []*Resource
	findings  []*Finding
	mesh      *Resource
	twins     map[string]int // places in resources, by kind and name
	read      hash.Hash      // of everything that was read
}

func (l *loader) files() manifest.Files {
	l.read = sha256.New()
	return manifest.Files{Document: l.document, Missing: l.missing}
}

// missing reports a file that cannot be read.
func (l *loader) missing(name, reason string) {
	hashMissing(l.read, name, reason)
	l.findings = append(l.findings, &Finding{
		Problem: &mesh.Problem{Source: name, Reason: reason},
		Code:    CodeUnreadable, Level: Error, File: name,
	})
}

// unreadable reports a document that is no object.
func (l *loader) unreadable(doc manifest.Document, line int, reason string) {
	l.findings = append(l.findings, &Finding{
		Problem: &mesh.Problem{Source: fmt.Sprintf("%s:%d", doc.File, line), Reason: reason},
		Code:    CodeUnreadable, Level: Error, File: doc.File, Line: line,
	})
}

// document reads one document: an object, or a List of them.
func (l *loader) document(doc manifest.Document) {
	hashDocument(l.read, doc)
	doc.Each(
		func(o manifest.Object) { l.object(doc, o.Node, o.Item) },
		func(line int, reason string) { l.unreadable(doc, line, reason) },
	)
}

// config ends the loading: objects by age, findings by place.
func (l *loader) config() (*Config, error) {
	slices.SortStableFunc(l.resources, younger)
	c := &Config{resources: l.resources, findings: l.findings, mesh: l.mesh}
	l.read.Sum(c.digest[:0])
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
