package smi

import "github.com/sidecarless/mesh"

// A Code names what is wrong with a resource.
type Code string

// The codes of problems. That of a weight that cannot be read is "weight:" and
// the code of the quantity.
const (
	CodeMalformed  Code = "malformed"  // no YAML, no object, a field of the wrong type
	CodeAPIVersion Code = "apiVersion" // of another group, or there is no such version
	CodeKind       Code = "kind"
	CodeName       Code = "name"
	CodeUnknown    Code = "unknown-field" // strict: the schema has no such field
	CodeDuplicate  Code = "duplicate"     // a second object of one kind and name

	CodeService        Code = "service"
	CodeBackends       Code = "backends" // missing, empty, or too many
	CodeBackendService Code = "backend-service"
	CodeCrossNamespace Code = "cross-namespace" // a leaf or the root is in another namespace
	CodeWeightMissing  Code = "weight-missing"
	CodeWeightType     Code = "weight-type"
	CodeSelfReference  Code = "self-reference"    // strict: the root is among its leaves
	CodeDuplicateLeaf  Code = "duplicate-backend" // strict: a leaf is named twice
	CodeZeroTotal      Code = "zero-total"        // strict: no leaf has a weight
	CodeApexConflict   Code = "apex-conflict"     // two splits of one root

	CodeMatchesVersion  Code = "matches-version" // this version of TrafficSplit has no matches
	CodeMatchKind       Code = "match-kind"
	CodeMatchUnresolved Code = "match-unresolved" // there is no such HTTPRouteGroup in the namespace

	CodeMatchesMissing Code = "matches-missing" // a group without matches
	CodeMatchName      Code = "match-name"
	CodeDuplicateMatch Code = "duplicate-match"
	CodeMethod         Code = "method"
	CodeRegex          Code = "regex"
)

// The codes of quantities, in the order in which they are looked for.
const (
	QuantityEmpty         Code = "empty"
	QuantityTooLong       Code = "too-long"
	QuantityNoDigits      Code = "no-digits" // only a suffix, which Kubernetes takes for zero
	QuantityFormat        Code = "format"
	QuantitySuffix        Code = "suffix" // there is no such unit
	QuantityExponentRange Code = "exponent-range"
	QuantityNegative      Code = "negative"
	QuantitySubMilli      Code = "sub-milli" // strict: no whole number of thousandths
	QuantityOverflow      Code = "overflow"
)

// An Error is a problem with its code.
type Error struct {
	*mesh.Problem
	Code Code
}

// Unwrap lets [mesh.Problems] find the problem.
func (e *Error) Unwrap() error { return e.Problem }
