package istio

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/manifest"
)

// maxFindings bounds what is said of one object. Who has more mistakes than
// that has made one mistake many times.
const maxFindings = 100

// A checker collects the findings of one object.
type checker struct {
	res   *Resource
	root  *yaml.Node // the object in its document
	base  int        // lines of the file before the document
	found []*Finding

	// unread are the fields that could not be read. What is wrong around them
	// may only follow from that, so it is not reported.
	unread []string

	lost bool // Istio loses its warnings in this part of the object
}

// written reports whether a field stands in the document, however empty: the schema of
// a kind tells an empty list from none.
func (c *checker) written(p *manifest.Path) bool { return manifest.Has(c.root, p.String()) }

// refuse reports what Istio or the schema of the kind refuses.
func (c *checker) refuse(p *manifest.Path, value any, format string, args ...any) {
	c.add(CodeRefused, Error, p, value, format, args...)
}

// warn reports what Istio accepts with a warning.
func (c *checker) warn(p *manifest.Path, value any, format string, args ...any) {
	code := CodeWarned
	if c.lost {
		code = CodeUnheard
	}
	c.add(code, Warning, p, value, format, args...)
}

// pointless refuses what Istio accepts although it cannot work.
func (c *checker) pointless(p *manifest.Path, value any, format string, args ...any) {
	c.add(CodePointless, Error, p, value, format, args...)
}

func (c *checker) add(code string, level Level, p *manifest.Path, value any, format string, args ...any) {
	field := p.String()
	for _, broken := range c.unread {
		if manifest.Related(field, broken) {
			return
		}
	}
	c.report(code, level, field, c.base+manifest.Locate(c.root, field), value, fmt.Sprintf(format, args...))
}

func (c *checker) report(code string, level Level, field string, line int, value any, reason string) {
	if c.full() {
		return
	}
	if len(c.found) == maxFindings {
		field, value, reason = "", nil, "has more problems than these"
	}
	c.found = append(c.found, &Finding{
		Problem: &mesh.Problem{
			Source: fmt.Sprintf("%s:%d: %s", c.res.File, line, c.res.Key()),
			Field:  field, Value: value, Reason: reason,
		},
		Code: code, Level: level, Resource: c.res, File: c.res.File, Line: line,
	})
}

// full tells that enough has been said.
func (c *checker) full() bool { return len(c.found) > maxFindings }

// failed tells whether the object has an error.
func (c *checker) failed() bool {
	for _, f := range c.found {
		if f.Level == Error {
			return true
		}
	}
	return false
}

// unheard runs a part of a check whose warnings Istio loses on the way. They
// are kept, with a code of ours.
func (c *checker) unheard(part func()) {
	before := c.lost
	c.lost = true
	part()
	c.lost = before
}
