// Package corpus reads what tests compare answers with: recordings that are part
// of this repository, and cases of other projects that lie beside it.
package corpus

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// root is the folder of the repository, which a test runs somewhere below.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "conformance", "testdata")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("there is no conformance/testdata above the folder of the test")
		}
		dir = up
	}
}

// file is the path of a recording.
func file(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(root(t), "conformance", "testdata", filepath.FromSlash(name))
}

// Cases are those of a recording, such as "envoy/mirror". There is at least one.
func Cases[T any](t testing.TB, name string) []T {
	t.Helper()
	var recording struct{ Cases []T }
	decode(t, file(t, name+".json"), &recording)
	if len(recording.Cases) == 0 {
		t.Fatalf("%s has no cases", name)
	}
	return recording.Cases
}

// Shared are the files that a glob names among what other projects have recorded,
// such as "istio/validation/*.json". These are not part of this repository: where
// there are none the test says so, and fails if the environment variable CI is set.
func Shared(t testing.TB, glob string) []string {
	t.Helper()
	path := filepath.Join(filepath.Dir(root(t)), "shared", "corpus", filepath.FromSlash(glob))
	files, err := filepath.Glob(path)
	switch {
	case err != nil:
		t.Fatal(err)
	case len(files) > 0:
	case os.Getenv("CI") != "":
		t.Fatalf("%s is needed: these cases belong to others and lie beside this repository", path)
	default:
		t.Logf("NOT TESTED: there is no %s; these cases belong to others and lie beside this repository", path)
	}
	return files
}

// SharedJSON reads a file of [Shared], if it is there.
func SharedJSON(t testing.TB, name string, into any) (ok bool) {
	t.Helper()
	for _, path := range Shared(t, name) {
		decode(t, path, into)
		return true
	}
	return false
}

func decode(t testing.TB, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
