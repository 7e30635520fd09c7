package gatewayapi

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/manifest"
)

// Parse reads all documents of one file; name stands in problems. Kinds of other
// groups are passed over. The error joins every problem of every document. The
// Config is never nil: beside an error it holds what is right.
func Parse(name string, r io.Reader) (*Config, error) {
	return load(func(f manifest.Files) { f.Read(name, r) })
}

// ParseFS reads the files of fsys that the globs name, see [fs.Glob]. A folder
// stands for the YAML and JSON files in it.
func ParseFS(fsys fs.FS, globs ...string) (*Config, error) {
	return load(func(f manifest.Files) { f.Globs(fsys, globs...) })
}

// ParseFiles reads files and folders by their path; "-" is the standard input.
func ParseFiles(paths ...string) (*Config, error) {
	return load(func(f manifest.Files) { f.Paths(paths...) })
}

func load(read func(manifest.Files)) (*Config, error) {
	l := &loader{keys: map[string]string{}}
	read(manifest.Files{Document: l.document, Missing: l.unreadable})
	c := &l.Config
	c.ready()
	return c, c.Err()
}

// A loader gathers what documents hold.
type loader struct {
	Config
	keys  map[string]string // where objects stand, by kind, namespace and name
	count int
}

func (l *loader) unreadable(source, reason string) {
	l.problems = append(l.problems, problem{Problem: &mesh.Problem{Source: source, Reason: reason}})
}

func (l *loader) document(doc manifest.Document) {
	doc.Each(
		func(o manifest.Object) { l.object(doc, o.Node) },
		func(line int, reason string) { l.unreadable(fmt.Sprintf("%s:%d", doc.File, line), reason) },
	)
}

// A reader reads and checks one object.
type reader struct {
	*loader
	*manifest.Reader
	res    *resource
	all    *manifest.Mapping
	base   int // lines of the file before the document
	node   *yaml.Node
	unread []string // fields that could not be read: what is wrong around them may follow from that
	bad    bool
	said   int
}

// maxSaid bounds what is said of one object. Who has more mistakes than that has
// made one mistake many times.
const maxSaid = 100

// object reads one object.
func (l *loader) object(doc manifest.Document, node *yaml.Node) {
	d := &reader{loader: l, base: doc.Line, node: node}
	d.res = &resource{file: doc.File, line: doc.Line + node.Line, order: l.count}
	l.count++
	before := len(l.problems)
	defer func() {
		slices.SortStableFunc(l.problems[before:], func(a, b problem) int {
			return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.Field, b.Field))
		})
	}()
	d.Reader = manifest.NewReader(doc, func(p *manifest.Path, n *yaml.Node, reason string) {
		d.unread = append(d.unread, p.String())
		d.report(false, p.String(), d.LineOf(n), nil, reason)
	})
	d.all = d.Mapping(nil, node)
	apiVersion := d.Text(nil, d.all, "apiVersion")
	d.res.kind = d.Text(nil, d.all, "kind")
	switch {
	case apiVersion == "":
		d.refuse(manifest.Top("apiVersion"), nil, "is missing")
	case d.res.kind == "":
		d.refuse(manifest.Top("kind"), nil, "is missing")
	default:
		group, version, grouped := strings.Cut(apiVersion, "/")
		if !grouped {
			group, version = "", apiVersion
		}
		d.byKind(group, version)
	}
}

// byKind reads an object as its kind asks.
func (d *reader) byKind(group, version string) {
	k, known := kinds[d.res.kind]
	if !known || k.group != group {
		d.otherKind(group)
		return
	}
	if !slices.Contains(k.versions, version) {
		d.refuse(manifest.Top("apiVersion"), version, "there is no such version of this kind; there are %s", manifest.List(k.versions, "and"))
		return
	}
	d.metadata()
	if k.read == nil {
		if k.refused {
			d.refuse(nil, nil, "%s", k.note)
		} else {
			d.warn(nil, nil, "%s", k.note)
		}
		return
	}
	if other, twice := d.keys[d.res.key()]; twice {
		d.refuse(nil, nil, "there is another one of this name in %s", other)
		return
	}
	d.keys[d.res.key()] = fmt.Sprintf("%s:%d", d.res.file, d.res.line)
	k.read(d)
}

// otherKind passes over a kind that is not known.
func (d *reader) otherKind(group string) {
	k, known := kinds[d.res.kind]
	switch {
	case group == apiGroup && known:
		d.refuse(manifest.Top("apiVersion"), group, "this kind is of the group %q", k.group)
	case group == apiGroup:
		d.refuse(manifest.Top("kind"), d.res.kind, "there is no such kind%s", manifest.DidYouMean(manifest.Nearest(d.res.kind, kindNames())))
	}
}

func (d *reader) metadata() {
	m := d.Metadata(d.all, func(name, namespace string) {
		d.res.name, d.res.namespace = name, cmp.Or(namespace, "default")
	})
	d.res.labels, d.res.created = m.Labels, m.Created
	if d.res.name == "" {
		d.refuse(manifest.Top("metadata").Field("name"), nil, "is missing")
	}
}

// refuse reports what keeps the object from being used.
func (d *reader) refuse(p *manifest.Path, value any, format string, args ...any) {
	d.add(false, p, value, fmt.Sprintf(format, args...))
}

// warn reports what does not.
func (d *reader) warn(p *manifest.Path, value any, format string, args ...any) {
	d.add(true, p, value, fmt.Sprintf(format, args...))
}

func (d *reader) add(warning bool, p *manifest.Path, value any, reason string) {
	if d.said > maxSaid {
		d.bad = d.bad || !warning
		return // without the cost of finding the line
	}
	field := p.String()
	for _, broken := range d.unread {
		if manifest.Related(field, broken) {
			return
		}
	}
	d.report(warning, field, d.base+manifest.Locate(d.node, field), value, reason)
}

func (d *reader) report(warning bool, field string, line int, value any, reason string) {
	d.bad = d.bad || !warning
	if d.said++; d.said > maxSaid {
		return
	}
	key := cmp.Or(d.res.kind, "object")
	if d.res.name != "" {
		key = d.res.key()
	}
	source := fmt.Sprintf("%s:%d: %s", d.res.file, line, key)
	d.problems = append(d.problems, problem{&mesh.Problem{Source: source, Field: field, Value: value, Reason: reason}, line, warning})
}

// keep appends the object with its spec to a list, unless there is an error.
func keep[T any](d *reader, list *[]*object[T], spec *T) {
	if !d.bad {
		*list = append(*list, &object[T]{d.res, spec})
	}
}
