package manifest

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Scalar is a value without parts, of the type that a Kubernetes API server
// sees in it. That is YAML 1.1 as go-yaml 2 reads it: an unquoted y, yes or on
// is true, 0777 is octal, 1_000 a thousand, while dates and 1:30 are text.
type Scalar struct {
	Kind   Kind
	Text   string  // as written; the value of text
	Truth  bool    // the value of a boolean
	Whole  int64   // the value of a whole number
	Number float64 // the value of any number
}

// A Kind is the type of a scalar.
type Kind uint8

// The kinds.
const (
	Null Kind = iota
	Boolean
	Integer
	Float
	Text
)

// String names the kind for a message.
func (k Kind) String() string {
	return [...]string{"null", "a boolean", "a whole number", "a number", "a string"}[k]
}

// ScalarOf reads a scalar node.
func ScalarOf(n *yaml.Node) Scalar {
	tagged := n.Style&yaml.TaggedStyle != 0
	if tagged && n.Tag == "!!str" {
		return Scalar{Kind: Text, Text: n.Value}
	}
	quoted := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if quoted && !(tagged && (n.Tag == "!!int" || n.Tag == "!!float" || n.Tag == "!!bool" || n.Tag == "!!null")) {
		return Scalar{Kind: Text, Text: n.Value}
	}
	return Plain(n.Value)
}

// Plain reads an unquoted scalar.
func Plain(s string) Scalar {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return Scalar{Kind: Null, Text: s}
	case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return Scalar{Kind: Boolean, Text: s, Truth: true}
	case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return Scalar{Kind: Boolean, Text: s}
	case ".nan", ".NaN", ".NAN":
		return Scalar{Kind: Float, Text: s, Number: math.NaN()}
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
		return Scalar{Kind: Float, Text: s, Number: math.Inf(1)}
	case "-.inf", "-.Inf", "-.INF":
		return Scalar{Kind: Float, Text: s, Number: math.Inf(-1)}
	}
	if strings.IndexByte("+-.0123456789", s[0]) < 0 || len(s) > maxDigits {
		return Scalar{Kind: Text, Text: s}
	}
	digits := strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(digits, 0, 64); err == nil {
		return Scalar{Kind: Integer, Text: s, Whole: i, Number: float64(i)}
	}
	if floatForm.MatchString(digits) {
		if f, err := strconv.ParseFloat(digits, 64); err == nil {
			return Scalar{Kind: Float, Text: s, Number: f}
		}
	}
	return Scalar{Kind: Text, Text: s}
}

// maxDigits is more than any number needs that a field can hold.
const maxDigits = 1000

var floatForm = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// Integer is the value if it is a whole number, 90.0 and 9e1 included.
func (s Scalar) Integer() (int64, bool) {
	switch {
	case s.Kind == Integer:
		return s.Whole, true
	case s.Kind == Float && s.Number == math.Trunc(s.Number) && math.Abs(s.Number) < 1<<63:
		return int64(s.Number), true
	}
	return 0, false
}

// AsKey is the value as a key of a map. Keys are text to Kubernetes whatever
// they look like: y is the key "true", 080 the key "64".
func (s Scalar) AsKey() string {
	switch s.Kind {
	case Boolean:
		return strconv.FormatBool(s.Truth)
	case Integer:
		return strconv.FormatInt(s.Whole, 10)
	case Float:
		return strconv.FormatFloat(s.Number, 'g', -1, 64)
	}
	return s.Text
}

// OrEmpty is the text of a scalar, where null stands for none.
func (s Scalar) OrEmpty() string {
	if s.Kind == Null {
		return ""
	}
	return s.Text
}
