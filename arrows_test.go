package mesh_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/sidecarless/mesh"

// arrows says which packages of this module each may import besides internal
// ones, which all may, and its own parts, the packages below its folder internal,
// which have the same arrows. The two halves of a mesh's client, the layers and the
// assembled upstream, meet in upstream alone.
var arrows = map[string]string{
	".":               "",
	"match":           ".",
	"route":           ". match",
	"rewrite":         ". match",
	"split":           ". match",
	"fault":           ". match",
	"mirror":          ".",
	"timeout":         ".",
	"retry":           ".",
	"breaker":         ".",
	"breaker/outlier": ". lb",
	"limit":           ". match",
	"lb":              ". match",
	"discovery":       "lb",
	"upstream":        ". match fault mirror timeout retry breaker breaker/outlier limit lb split rewrite",
	"drain":           "",
	"authz":           ". match",
	"authz/external":  ". match authz",
	"mtls":            ".",
	"access":          ".",
	"console":         ". access upstream lb breaker breaker/outlier split",
	"meshtest":        ". lb",
}

// dependencies are the modules that the core may require, testify in tests only.
var dependencies = []string{
	"github.com/cenkalti/backoff/v4",
	"github.com/cespare/xxhash/v2",
	"github.com/sony/gobreaker/v2",
	"golang.org/x/time",
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func TestPackagesImportOnlyWhatTheArchitectureAllows(t *testing.T) {
	for _, line := range goList(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") {
		fields := strings.Fields(line)
		from := short(fields[0])
		if strings.HasPrefix(from, "internal/") {
			continue // shared mechanisms, for all
		}
		owner := ownerOf(from)
		allowed, known := arrows[owner]
		if !known {
			t.Errorf("package %s is not in the table of arrows", from)
			continue
		}
		for _, imported := range fields[1:] {
			if imported != module && !strings.HasPrefix(imported, module+"/") {
				continue
			}
			to := short(imported)
			if strings.HasPrefix(to, "internal/") || ownerOf(to) == owner {
				continue
			}
			if !slices.Contains(strings.Fields(allowed), to) {
				t.Errorf("%s imports %s; it may import: %s", from, to, allowed)
			}
		}
	}
}

// ownerOf is the package that another is a part of, or the package itself.
func ownerOf(pkg string) string {
	owner, _, _ := strings.Cut(pkg, "/internal/")
	return owner
}

func short(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

func TestCoreDependsOnNothingButTheChosenModules(t *testing.T) {
	for _, pkg := range goList(t, "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`, "./...") {
		if pkg == "" || pkg == module || strings.HasPrefix(pkg, module+"/") {
			continue
		}
		chosen := slices.ContainsFunc(dependencies, func(m string) bool {
			return pkg == m || strings.HasPrefix(pkg, m+"/")
		})
		// The test kit is a package of ours that users' tests import; it may use
		// nothing more either.
		if !chosen {
			t.Errorf("the core depends on %s", pkg)
		}
	}
}

// Whoever gets the core gets five modules: what stands in go.mod beside them is not
// loaded for its users.
func TestTheCoreBringsFiveModules(t *testing.T) {
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	require.NoError(t, err)
	var file struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Replace []struct{}
	}
	require.NoError(t, json.Unmarshal(out, &file))
	var direct []string
	for _, r := range file.Require {
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	require.ElementsMatch(t, append([]string{"github.com/stretchr/testify"}, dependencies...), direct)
	require.Empty(t, file.Replace)
}
