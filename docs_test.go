package mesh_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

func TestTheReadmeIsShort(t *testing.T) {
	require.LessOrEqual(t, strings.Count(read(t, "README.md"), "\n"), 150)
}

// A file is one idea, and can be read in one go.
func TestNoGoFileHasMoreThan400Lines(t *testing.T) {
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(file) == ".go" {
			if n := strings.Count(read(t, file), "\n"); n > 400 {
				t.Errorf("%s has %d lines", file, n)
			}
		}
		return err
	})
	require.NoError(t, err)
}

// Links between pages lead somewhere.
func TestLinksOfPagesLeadToFiles(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	more, err := filepath.Glob("*.md")
	require.NoError(t, err)
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	code := regexp.MustCompile("(?s)```.*?```")
	for _, page := range append(pages, more...) {
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(read(t, page), ""), -1) {
			if !strings.Contains(m[1], "://") {
				_, err := os.Stat(filepath.Join(filepath.Dir(page), m[1]))
				require.NoError(t, err, "a link of %s", page)
			}
		}
	}
}

// Operators look a flag up when they see one.
func TestTheRunbookHasEveryFlag(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "flag.go", nil, 0)
	require.NoError(t, err)
	runbook := read(t, "docs/operations.md")
	flags := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		flag, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		require.Contains(t, runbook, "\n### "+flag+"\n")
		flags++
		return false
	})
	require.Greater(t, flags, 15)
}

var (
	testRow  = regexp.MustCompile(`(?m)^\| ([TG])(\d+) \| [^|]+ \| ([^|]+) \|$`)
	testName = regexp.MustCompile(`^Test[A-Za-z0-9]+$`)
)

// The page of tests names every requirement, and only tests that there are.
func TestThePageOfTestsIsTrue(t *testing.T) {
	there := testsByPackage(t)
	next := map[string]int{"T": 1, "G": 1}
	for _, row := range testRow.FindAllStringSubmatch(read(t, "docs/tests.md"), -1) {
		require.Equal(t, strconv.Itoa(next[row[1]]), row[2], "of %s", row[1])
		next[row[1]]++
		in := ""
		named := 0
		for _, word := range strings.FieldsFunc(row[3], func(r rune) bool { return strings.ContainsRune(" ,;", r) }) {
			if folder, ok := strings.CutSuffix(word, ":"); ok {
				in = folder
			}
			if testName.MatchString(word) {
				named++
				require.Contains(t, there[in], word, "%s%s: %s", row[1], row[2], in)
			}
		}
		require.Positive(t, named, "%s%s", row[1], row[2])
	}
	require.Equal(t, map[string]int{"T": 25, "G": 19}, next)
}

// testsByPackage are the names of all tests, by folder; the root is "mesh".
func testsByPackage(t *testing.T) map[string][]string {
	all := map[string][]string{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		folder := path.Dir(filepath.ToSlash(file))
		if folder == "." {
			folder = "mesh"
		}
		for _, m := range function.FindAllStringSubmatch(read(t, file), -1) {
			all[folder] = append(all[folder], m[1])
		}
		return nil
	})
	require.NoError(t, err)
	return all
}

// nested are the public packages of other modules.
var nested = []string{
	"config/istio", "config/smi", "config/gatewayapi", "config/analyze", "config/forward", "config/requestauth",
	"jwt", "spiffe", "ratelimit", "telemetry", "telemetry/metrics", "telemetry/otelmesh", "telemetry/otelmesh/spantext",
}

// Everybody finds in a package's comment what problem it solves, and in its
// examples the first call and a mistake that people make.
func TestEveryPublicPackageHasACommentAndExamples(t *testing.T) {
	for _, folder := range slices.Concat(slices.Sorted(maps.Keys(arrows)), nested) {
		t.Run(folder, func(t *testing.T) {
			comment := packageComment(t, folder)
			require.Greater(t, len(strings.Fields(comment)), 60, "the package's comment is short")
			require.Contains(t, comment, "\n\t", "the package's comment shows no call")
			example := regexp.MustCompile(`(?ms)^func (Example\w*)\(\) \{.*?^\}`)
			uses, mistakes := 0, 0
			for _, file := range sources(t, folder, "_test.go") {
				for _, m := range example.FindAllStringSubmatch(read(t, file), -1) {
					require.Contains(t, m[0], "// Output:", m[1])
					if strings.HasSuffix(m[1], "_mistake") {
						mistakes++
					} else {
						uses++
					}
				}
			}
			require.Positive(t, uses, "no example of use")
			require.Positive(t, mistakes, "no example of a mistake: Example..._mistake")
		})
	}
}

// sources are the Go files of a folder: those that end so, or else no tests.
func sources(t *testing.T, folder string, end ...string) (files []string) {
	all, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	for _, file := range all {
		if strings.HasSuffix(file, "_test.go") == (len(end) > 0) {
			files = append(files, file)
		}
	}
	return files
}

func packageComment(t *testing.T, folder string) (comment string) {
	for _, file := range sources(t, folder) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.PackageClauseOnly)
		require.NoError(t, err)
		if f.Doc != nil {
			comment += f.Doc.Text()
		}
	}
	return comment
}
