package manifest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

type dish struct {
	Name    string            `yaml:"name"`
	Price   *int32            `yaml:"price"`
	Vegan   bool              `yaml:"vegan"`
	Parts   []dish            `yaml:"parts"`
	Labels  map[string]string `yaml:"labels"`
	Kitchen Ignored           `yaml:"kitchen"`
}

// read decodes a document and returns what was rejected.
func read(t *testing.T, text string, v any) (rejected []string) {
	doc := Document{File: "dishes.yaml", Text: []byte(text)}
	root, err := doc.Parse()
	require.NoError(t, err)
	r := NewReader(doc, func(p *Path, _ *yaml.Node, reason string) { rejected = append(rejected, p.String()+": "+reason) })
	r.Decode(nil, root, v)
	return rejected
}

func TestValuesAreDecodedByTheirTypes(t *testing.T) {
	var d dish
	require.Empty(t, read(t, `
name: soup
price: 12
parts: [{name: "1", <<: {vegan: true}}, {name: ~}]
labels: {y: "no"}
kitchen: {anything: [goes, 1]}
`, &d))
	price := int32(12)
	require.Equal(t, dish{
		Name: "soup", Price: &price, Parts: []dish{{Name: "1", Vegan: true}, {}}, Labels: map[string]string{"true": "no"},
	}, d)
}

func TestWhatDoesNotFitIsRejectedAtItsPlace(t *testing.T) {
	var d dish
	require.Equal(t, []string{
		`name: must be a string, and YAML reads 12 as a whole number: put it in quotes`,
		`price: must be a whole number (got 99999999999)`,
		`vegan: must be true or false, not a string`,
		`parts[0].nmae: there is no such field; did you mean name?`,
		`parts[1]: must be a mapping of fields, not a string`,
		`parts[2].name: must be a string, not a list`,
		`labels: must be a mapping, not a list`,
		`colour: there is no such field; there are kitchen, labels, name, parts, price and vegan`,
	}, read(t, `
name: 12
price: 99999999999
vegan: maybe
parts: [{nmae: a}, b, {name: [c]}]
labels: []
colour: red
`, &d))
}

func TestAliasesCannotMultiplyADocument(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("kitchen: &a0 {name: x}\n")
	bomb.WriteString("parts:\n- &a1 {parts: [" + strings.Repeat("*a0, ", 9) + "*a0]}\n")
	for i := 2; i < 30; i++ {
		n := string(rune('0'+(i-1)/10)) + string(rune('0'+(i-1)%10))
		if i == 2 {
			n = "1"
		}
		m := string(rune('0'+i/10)) + string(rune('0'+i%10))
		bomb.WriteString("- &a" + m + " {parts: [" + strings.Repeat("*a"+n+", ", 9) + "*a" + n + "]}\n")
	}
	var d dish
	require.Equal(t, 1, len(read(t, bomb.String(), &d)))
}
