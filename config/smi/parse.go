package smi

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/manifest"
)

// Options say how documents are read.
type Options struct {
	// Strict takes only what a cluster with the schemas of the specification would
	// take, and refuses splits that can hardly be meant: a leaf twice, the root
	// among its leaves, no weight at all.
	Strict bool
}

// A Config is what was read from documents.
type Config struct {
	Splits []TrafficSplit
	Groups []RouteGroup

	problems []problem
}

// A problem is an error or a warning.
type problem struct {
	Error
	warning bool
}

// Warnings yields what was accepted although it should be written otherwise.
func (c *Config) Warnings() iter.Seq[*mesh.Problem] {
	return func(yield func(*mesh.Problem) bool) {
		for i := range c.problems {
			if p := &c.problems[i]; p.warning && !yield(p.Problem) {
				return
			}
		}
	}
}

// Err is nil if every document is right, and else all errors joined, each an
// [*Error].
func (c *Config) Err() error {
	var errs []error
	for i := range c.problems {
		if p := &c.problems[i]; !p.warning {
			errs = append(errs, &p.Error)
		}
	}
	return errors.Join(errs...)
}

// Parse reads all documents of one file; name stands in problems. Documents of
// other kinds are passed over. The error joins every problem as an [*Error]. The
// Config is never nil: beside an error it holds what is right.
func Parse(name string, r io.Reader) (*Config, error) { return Options{}.Parse(name, r) }

// ParseFS reads the files of fsys that the globs name, see [fs.Glob]. A folder
// stands for the YAML and JSON files in it.
func ParseFS(fsys fs.FS, globs ...string) (*Config, error) { return Options{}.ParseFS(fsys, globs...) }

// ParseFiles reads files and folders by their path; "-" is the standard input.
func ParseFiles(paths ...string) (*Config, error) { return Options{}.ParseFiles(paths...) }

// Parse is [Parse] with these options.
func (o Options) Parse(name string, r io.Reader) (*Config, error) {
	return o.load(func(f manifest.Files) { f.Read(name, r) })
}

// ParseFS is [ParseFS] with these options.
func (o Options) ParseFS(fsys fs.FS, globs ...string) (*Config, error) {
	return o.load(func(f manifest.Files) { f.Globs(fsys, globs...) })
}

// ParseFiles is [ParseFiles] with these options.
func (o Options) ParseFiles(paths ...string) (*Config, error) {
	return o.load(func(f manifest.Files) { f.Paths(paths...) })
}

func (o Options) load(read func(manifest.Files)) (*Config, error) {
	l := &loader{Options: o, keys: map[string]bool{}}
	read(manifest.Files{Document: l.document, Missing: l.unreadable})
	l.resolve()
	return &l.Config, l.Err()
}

// A loader gathers what documents hold.
type loader struct {
	Options
	Config
	keys   map[string]bool // of the objects, to find two of one name
	splits []*splitObject
}

func (l *loader) unreadable(source, reason string) {
	l.problems = append(l.problems, problem{Error: Error{&mesh.Problem{Source: source, Reason: reason}, CodeMalformed}})
}

func (l *loader) document(doc manifest.Document) {
	doc.Each(
		func(o manifest.Object) { l.object(doc, o.Node) },
		func(line int, reason string) { l.unreadable(fmt.Sprintf("%s:%d", doc.File, line), reason) },
	)
}

// An object is one that is being read.
type object struct {
	*loader
	*manifest.Reader
	meta    manifest.Metadata
	key     string // for messages
	version string
	file    string
	base    int // lines of the file before the document
	node    *yaml.Node
	bad     bool // it has an error
	said    int  // how many problems were reported
}

// maxSaid bounds what is said of one object. Who has more mistakes than that has
// made one mistake many times.
const maxSaid = 100

// add reports a problem with a field; the object cannot be used.
func (o *object) add(code Code, p *manifest.Path, value any, format string, args ...any) {
	o.bad = true
	o.report(false, code, p, value, fmt.Sprintf(format, args...))
}

// warn reports what is accepted.
func (o *object) warn(code Code, p *manifest.Path, value any, format string, args ...any) {
	o.report(true, code, p, value, fmt.Sprintf(format, args...))
}

func (o *object) report(warning bool, code Code, p *manifest.Path, value any, reason string) {
	if o.said++; o.said > maxSaid {
		return
	}
	field := p.String()
	source := fmt.Sprintf("%s:%d: %s", o.file, o.base+manifest.Locate(o.node, field), o.key)
	o.problems = append(o.problems, problem{Error{&mesh.Problem{Source: source, Field: field, Value: value, Reason: reason}, code}, warning})
}

// unknown reports the entries of a mapping that are none of known.
func (o *object) unknown(p *manifest.Path, m *manifest.Mapping, known ...string) {
	for _, e := range m.Entries {
		if slices.Contains(known, e.Key) {
			continue
		}
		hint := manifest.DidYouMean(manifest.Nearest(e.Key, known))
		if o.Strict {
			o.add(CodeUnknown, p.Entry(e.Key), nil, "there is no such field%s", hint)
		} else {
			o.warn(CodeUnknown, p.Entry(e.Key), nil, "is passed over: there is no such field%s", hint)
		}
	}
}

// mapping reads a field that is a mapping; without one it is empty.
func (o *object) mapping(p *manifest.Path, m *manifest.Mapping, name string) *manifest.Mapping {
	e := m.Get(name)
	if e == nil || manifest.IsNull(e.Value) {
		return &manifest.Mapping{}
	}
	return o.asMapping(p.Field(name), e.Value)
}

func (o *object) asMapping(p *manifest.Path, n *yaml.Node) *manifest.Mapping {
	if n = manifest.Resolve(n); n.Kind != yaml.MappingNode {
		o.add(CodeMalformed, p, nil, "must be a mapping of fields, not %s", manifest.KindOf(n))
		return &manifest.Mapping{}
	}
	return o.Mapping(p, n)
}

// list reads a field that is a list; without one it is empty.
func (o *object) list(p *manifest.Path, m *manifest.Mapping, name string) []*yaml.Node {
	e := m.Get(name)
	if e == nil || manifest.IsNull(e.Value) {
		return nil
	}
	n := manifest.Resolve(e.Value)
	if n.Kind != yaml.SequenceNode {
		o.add(CodeMalformed, p.Field(name), nil, "must be a list, not %s", manifest.KindOf(n))
		return nil
	}
	if len(n.Content) > maxItems {
		o.add(CodeMalformed, p.Field(name), nil, "has %d entries, and at most %d are allowed", len(n.Content), maxItems)
		return nil
	}
	return n.Content
}

// maxItems bounds lists, and with them the sum of weights.
const maxItems = 1024
