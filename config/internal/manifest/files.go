package manifest

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	slashed "path"
	"path/filepath"
	"slices"
	"strings"
)

// maxFile bounds a file, in bytes.
const maxFile = 64 << 20

// Files finds the documents of files.
type Files struct {
	Document func(Document)
	Missing  func(name, reason string) // is told of files that cannot be read
}

// Globs reads the files of fsys that the globs name, see [fs.Glob], in the order
// of globs and names. A folder stands for the YAML and JSON files in it.
func (f Files) Globs(fsys fs.FS, globs ...string) {
	for _, glob := range globs {
		names, err := fs.Glob(fsys, glob)
		if err == nil && len(names) == 0 {
			err = fs.ErrNotExist
		}
		if err != nil {
			f.missing(glob, err)
		}
		for _, name := range names {
			f.walk(fsys, name, name)
		}
	}
}

// Paths reads files and folders by their path; "-" is the standard input.
func (f Files) Paths(paths ...string) {
	for _, p := range paths {
		if p == "-" {
			f.Read("-", os.Stdin)
			continue
		}
		dir, base := filepath.Split(filepath.Clean(p))
		if base == "." || base == ".." || base == "" || strings.HasSuffix(p, string(filepath.Separator)) {
			dir, base = p, "."
		}
		if dir == "" {
			dir = "."
		}
		f.walk(os.DirFS(dir), base, filepath.Clean(p))
	}
}

// walk reads a file, or the YAML and JSON files of a folder and those below it.
func (f Files) walk(fsys fs.FS, root, shown string) {
	err := fs.WalkDir(fsys, root, func(name string, entry fs.DirEntry, err error) error {
		display := shown
		if name != root {
			display = slashed.Join(filepath.ToSlash(shown), strings.TrimPrefix(strings.TrimPrefix(name, root), "/"))
		}
		switch {
		case err != nil:
			f.missing(display, err)
			return nil
		case name != root && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() { // such as the ..data of a mounted ConfigMap, whose files are linked beside it
				return fs.SkipDir
			}
			return nil
		case entry.IsDir(), name != root && !isConfigFile(name):
			return nil
		}
		file, err := fsys.Open(name)
		if err != nil {
			f.missing(display, err)
			return nil
		}
		defer file.Close()
		f.Read(display, file)
		return nil
	})
	if err != nil {
		f.missing(shown, err)
	}
}

func isConfigFile(name string) bool {
	switch slashed.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

func (f Files) missing(name string, err error) { f.Missing(name, "cannot be read: "+err.Error()) }

// Read reads the documents of one file, up to one that is too large.
func (f Files) Read(name string, r io.Reader) {
	data, err := contents(r)
	if err != nil {
		f.missing(name, err)
		return
	}
	for _, doc := range Split(name, data) {
		f.Document(doc)
	}
}

// enough of a document tells that it is too large, also behind a byte order mark.
const enough = maxDocument + 1 + len("\ufeff")

// contents are those of a file, up to where its first document becomes too large
// for [Document.Objects]: what is refused need not be read.
func contents(r io.Reader) ([]byte, error) {
	data := make([]byte, 0, min(sizeOf(r), maxDocument)+bytes.MinRead)
	last, seen := 0, 0 // where the last document begins, and up to where that is known
	for {
		if len(data) == cap(data) {
			data = slices.Grow(data, bytes.MinRead)
		}
		n, err := r.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		last, seen = lastDocument(data, last, seen)
		switch {
		case len(data)-last > enough:
			return data[:last+enough], nil
		case len(data) > maxFile:
			return nil, fmt.Errorf("is larger than %d MiB", maxFile>>20)
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		}
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
