package istio

import (
	"io"
	"io/fs"
)

// Parse reads all documents of one file; name stands in problems. The error
// joins every problem of every document as *mesh.Problem. The Config is never
// nil: beside an error it holds the objects that are right and all findings,
// for those who analyze documents rather than run them.
func Parse(name string, r io.Reader) (*Config, error) {
	panic("unwritten")
}

// ParseFS reads the files of fsys that the globs name, see [fs.Glob], in the
// order of globs and names. A folder stands for the YAML files in it.
func ParseFS(fsys fs.FS, globs ...string) (*Config, error) {
	panic("unwritten")
}

// ParseFiles reads files and folders by their path; "-" is the standard input.
func ParseFiles(paths ...string) (*Config, error) {
	panic("unwritten")
}

// LineOf is the line of the file where a field stands, such as
// "spec.http[2].timeout", or else the nearest thing around it.
func (r *Resource) LineOf(field string) int { return r.Line }
