package istio

import "github.com/sidecarless/mesh"

// The codes of findings. Istio's own are those of istioctl analyze, so that
// what its validators say of a document can be read off; what begins with MESH
// is said by this package alone.
const (
	CodeRefused     = "IST0106" // Istio's admission check or the schema of the kind refuses the object
	CodeWarned      = "IST0133" // Istio accepts the object with a warning
	CodeUnreachable = "IST0130" // a rule of a VirtualService that no request reaches
	CodeIneffective = "IST0131" // a match of a VirtualService that an earlier one covers

	CodeUnreadable  = "MESH0001" // no YAML, too large, or no object at all
	CodeSkipped     = "MESH0002" // a kind that is not read
	CodeUnsupported = "MESH0003" // a kind or field that changes behaviour and cannot be carried out
	CodeDuplicate   = "MESH0004" // a later document replaces one of the same kind and name
	CodePointless   = "MESH0005" // Istio accepts it, but it cannot work as written
	CodeUnheard     = "MESH0006" // Istio has a warning for this, but loses it in this place
)

// A Level says how much a finding weighs.
type Level string

// The levels of findings. Only an error keeps a configuration from being used.
const (
	Error   Level = "error"
	Warning Level = "warning"
	Info    Level = "info"
)

// A Finding is something to say about a document: why it is refused, or what
// it may not do as its author thinks.
type Finding struct {
	*mesh.Problem
	Code     string
	Level    Level
	Resource *Resource // the object it is about; nil for a document that holds none
	File     string
	Line     int // from 1; 0 for a file that cannot be read
}

// Unwrap lets [mesh.Problems] find the problem.
func (f *Finding) Unwrap() error { return f.Problem }
