package mesh_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	fenced    = regexp.MustCompile("(?s)```.*?```")
	quoted    = regexp.MustCompile("`[^`\n]+`")
	qualified = regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*(?:\.[A-Z]\w*)?)`)
)

// What pages call by name is there under that name.
func TestPagesNameWhatThereIs(t *testing.T) {
	folders := map[string]string{}
	for _, folder := range slices.Concat(slices.Collect(maps.Keys(arrows)), nested) {
		folders[path.Base(folder)] = folder
	}
	folders["mesh"] = "."
	known := map[string]map[string]bool{}
	checked := 0
	for _, glob := range []string{"*.md", "docs/*.md", "conformance/*.md", "examples/*/README.md"} {
		pages, err := filepath.Glob(glob)
		require.NoError(t, err)
		for _, page := range pages {
			for _, code := range quoted.FindAllString(fenced.ReplaceAllString(read(t, page), ""), -1) {
				for _, m := range qualified.FindAllStringSubmatch(code, -1) {
					folder, ours := folders[m[1]]
					if !ours {
						continue
					}
					if known[folder] == nil {
						known[folder] = exported(t, folder)
					}
					require.True(t, known[folder][m[2]], "%s speaks of %s", page, m[0])
					checked++
				}
			}
		}
	}
	require.Greater(t, checked, 50)
}

// exported are the names that a package gives to others: of types also with those of
// their fields and methods, such as "Config.Name".
func exported(t *testing.T, folder string) map[string]bool {
	names := map[string]bool{}
	for _, file := range sources(t, folder) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				names[receiver(d)+d.Name.Name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.ValueSpec:
						for _, name := range s.Names {
							names[name.Name] = true
						}
					case *ast.TypeSpec:
						names[s.Name.Name] = true
						var members *ast.FieldList
						switch of := s.Type.(type) {
						case *ast.StructType:
							members = of.Fields
						case *ast.InterfaceType:
							members = of.Methods
						default:
							continue
						}
						for _, member := range members.List {
							for _, name := range member.Names {
								names[s.Name.Name+"."+name.Name] = true
							}
						}
					}
				}
			}
		}
	}
	return names
}

// receiver is the type of a method with a dot, or nothing.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := d.Recv.List[0].Type
	for {
		switch e := of.(type) {
		case *ast.StarExpr:
			of = e.X
		case *ast.IndexExpr:
			of = e.X
		case *ast.Ident:
			return e.Name + "."
		default:
			return ""
		}
	}
}
