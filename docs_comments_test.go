package mesh_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// unlinked is a name in brackets that was taken for text, since nothing has it.
var unlinked = regexp.MustCompile(`\[\*?(?:\w+\.)?[A-Z]\w*(?:\.\w+)?\]`)

// A name in brackets in a comment of a package is a link on its page.
func TestLinksOfCommentsLeadToNames(t *testing.T) {
	for _, folder := range slices.Concat(slices.Sorted(maps.Keys(arrows)), nested) {
		t.Run(folder, func(t *testing.T) {
			fset := token.NewFileSet()
			var files []*ast.File
			for _, file := range sources(t, folder) {
				f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
				require.NoError(t, err)
				files = append(files, f)
			}
			p, err := doc.NewFromFiles(fset, files, module+"/"+folder)
			require.NoError(t, err)
			for _, text := range comments(p) {
				for _, block := range p.Parser().Parse(text).Content {
					require.Empty(t, unlinked.FindAllString(words(block), -1))
				}
			}
		})
	}
}

// comments are those that the page of a package shows as text.
func comments(p *doc.Package) []string {
	all := []string{p.Doc}
	add := func(functions []*doc.Func, values ...*doc.Value) {
		for _, f := range functions {
			all = append(all, f.Doc)
		}
		for _, v := range values {
			all = append(all, v.Doc)
		}
	}
	add(p.Funcs, slices.Concat(p.Consts, p.Vars)...)
	for _, t := range p.Types {
		all = append(all, t.Doc)
		add(slices.Concat(t.Funcs, t.Methods), slices.Concat(t.Consts, t.Vars)...)
	}
	return all
}

// words are the plain text of a block, without code and links.
func words(block comment.Block) (text string) {
	switch b := block.(type) {
	case *comment.Paragraph:
		for _, part := range b.Text {
			if plain, ok := part.(comment.Plain); ok {
				text += string(plain)
			}
		}
	case *comment.List:
		for _, item := range b.Items {
			for _, content := range item.Content {
				text += words(content)
			}
		}
	}
	return text
}
