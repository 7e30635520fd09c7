package istio

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A scalar is a value without parts, of the type that a Kubernetes API server
// sees in it. That is YAML 1.1 as go-yaml 2 reads it: an unquoted y, yes or on
// is true, 0777 is octal, 1_000 a thousand, while dates and 1:30 are text.
type scalar struct {
	kind   scalarKind
	text   string  // as written; the value of text
	truth  bool    // the value of a boolean
	whole  int64   // the value of a whole number
	number float64 // the value of any number
}

type scalarKind uint8

const (
	null scalarKind = iota
	boolean
	integer
	float
	text
)

// String names the kind for a message.
func (k scalarKind) String() string {
	return [...]string{"null", "a boolean", "a whole number", "a number", "a string"}[k]
}

// scalarOf reads a scalar node.
func scalarOf(n *yaml.Node) scalar {
	tagged := n.Style&yaml.TaggedStyle != 0
	if tagged && n.Tag == "!!str" {
		return scalar{kind: text, text: n.Value}
	}
	quoted := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	if quoted && !(tagged && (n.Tag == "!!int" || n.Tag == "!!float" || n.Tag == "!!bool" || n.Tag == "!!null")) {
		return scalar{kind: text, text: n.Value}
	}
	return plain(n.Value)
}

// plain reads an unquoted scalar.
func plain(s string) scalar {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return scalar{kind: null, text: s}
	case "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return scalar{kind: boolean, text: s, truth: true}
	case "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return scalar{kind: boolean, text: s}
	case ".nan", ".NaN", ".NAN":
		return scalar{kind: float, text: s, number: math.NaN()}
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
		return scalar{kind: float, text: s, number: math.Inf(1)}
	case "-.inf", "-.Inf", "-.INF":
		return scalar{kind: float, text: s, number: math.Inf(-1)}
	}
	if strings.IndexByte("+-.0123456789", s[0]) < 0 || len(s) > maxDigits {
		return scalar{kind: text, text: s}
	}
	digits := strings.ReplaceAll(s, "_", "")
	if i, err := strconv.ParseInt(digits, 0, 64); err == nil {
		return scalar{kind: integer, text: s, whole: i, number: float64(i)}
	}
	if floatForm.MatchString(digits) {
		if f, err := strconv.ParseFloat(digits, 64); err == nil {
			return scalar{kind: float, text: s, number: f}
		}
	}
	return scalar{kind: text, text: s}
}

// maxDigits is more than any number needs that a field can hold.
const maxDigits = 1000

var floatForm = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// integer is the value if it is a whole number, 90.0 and 9e1 included.
func (s scalar) integer() (int64, bool) {
	switch {
	case s.kind == integer:
		return s.whole, true
	case s.kind == float && s.number == math.Trunc(s.number) && math.Abs(s.number) < 1<<63:
		return int64(s.number), true
	}
	return 0, false
}

// asKey is the value as a key of a map. Keys are text to Kubernetes whatever
// they look like: y is the key "true", 080 the key "64".
func (s scalar) asKey() string {
	switch s.kind {
	case boolean:
		return strconv.FormatBool(s.truth)
	case integer:
		return strconv.FormatInt(s.whole, 10)
	case float:
		return strconv.FormatFloat(s.number, 'g', -1, 64)
	}
	return s.text
}

// orEmpty is the text of a scalar, where null stands for none.
func (s scalar) orEmpty() string {
	if s.kind == null {
		return ""
	}
	return s.text
}
