package mesh_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/sidecarless/mesh"

// arrows says which packages of this module each may import besides internal
// ones, as docs/architecture.md has it. Those below an internal folder of a package
// are a part of it.
var arrows = arrowsOf("docs/architecture.md")

func arrowsOf(page string) map[string][]string {
	text, err := os.ReadFile(page)
	if err != nil {
		panic(err)
	}
	all := map[string][]string{}
	name := regexp.MustCompile("`([a-z/]+)`")
	for _, row := range regexp.MustCompile("(?m)^\\| (`[a-z/]+`) \\| (.*) \\|$").FindAllStringSubmatch(string(text), -1) {
		from := folderOf(strings.Trim(row[1], "`"))
		all[from] = nil
		for _, to := range name.FindAllStringSubmatch(row[2], -1) {
			all[from] = append(all[from], folderOf(to[1]))
		}
	}
	return all
}

// folderOf is the folder of a package: the page calls that of the root mesh.
func folderOf(name string) string {
	if name == "mesh" {
		return "."
	}
	return name
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
	used := map[string][]string{}
	for _, line := range goList(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") {
		fields := strings.Fields(line)
		from := short(fields[0])
		owner := ownerOf(from)
		allowed, known := arrows[owner]
		if strings.HasPrefix(from, "internal/") {
			allowed, known = []string{"."}, true // shared mechanisms, for all
		}
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
			if !slices.Contains(allowed, to) {
				t.Errorf("%s imports %s; it may import: %s", from, to, allowed)
			}
			used[owner] = append(used[owner], to)
		}
	}
	for from, all := range arrows {
		for _, to := range all {
			if !slices.Contains(used[from], to) {
				t.Errorf("%s may import %s, and does not", from, to)
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
