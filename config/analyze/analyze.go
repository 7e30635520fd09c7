package analyze

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"

	"istio.io/api/annotation"

	"github.com/sidecarless/mesh/config/istio"
)

// The codes that only this package has. Those of istioctl analyze are used with
// its meaning.
const (
	CodeHiddenRule      = "MESH0101" // a rule that earlier ones leave no request
	CodeRetryBudget     = "MESH0102" // retries that cannot fit the timeout
	CodeNeverEjects     = "MESH0103" // outlier detection that can never eject
	CodeEmptySubset     = "MESH0104" // a subset that no endpoint belongs to
	CodeStarved         = "MESH0105" // a destination that gets nothing
	CodeDoubleSlash     = "MESH0106" // a rewrite that makes // of a path
	CodeDroppedBlock    = "MESH0107" // a policy that drops a wider one's setting
	CodeNeverMatches    = "MESH0108" // a match that no request can have
	CodeUnsticky        = "MESH0109" // hashing whose choice a split comes before
	CodeFaultsUnretried = "MESH0110" // retries that do not see the faults of their rule
)

// A Finding is one thing to say about a resource.
type Finding struct {
	Code     string      `json:"code"`
	Level    istio.Level `json:"level"`
	Resource string      `json:"resource"` // "Kind namespace/name"; without the namespace where the document names none
	File     string      `json:"file"`
	Line     int         `json:"line"`
	Message  string      `json:"message"` // what is, and what will happen
	Advice   string      `json:"advice,omitempty"`
}

// Files reads and analyzes files and folders, see [istio.ParseFiles].
func Files(paths ...string) []Finding {
	c, _ := istio.ParseFiles(paths...) // what is wrong is among the findings
	return Config(c)
}

// FS reads and analyzes files of a file system, see [istio.ParseFS].
func FS(fsys fs.FS, globs ...string) []Finding {
	c, _ := istio.ParseFS(fsys, globs...)
	return Config(c)
}

// Config analyzes documents that were read. The findings come in the order of
// files and lines.
func Config(c *istio.Config) []Finding {
	a := newAnalysis(c)
	a.documents(c)
	a.annotations(c)
	a.deprecations()
	a.destinations()
	a.meshHosts()
	a.boundGateways()
	a.ingressRules()
	a.claims()
	a.destinationRules()
	a.subsetPods()
	a.gatewayPods()
	a.gatewayCertificates()
	a.credentials(c)
	a.gatewayConflicts()
	a.serviceEntries()
	a.policies()
	a.selectors()
	a.hiddenRules()
	a.routes()
	a.ejection()
	a.emptySubsets()
	a.droppedBlocks()
	a.findLines()
	slices.SortStableFunc(a.findings, func(x, y Finding) int {
		return cmp.Or(cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line), cmp.Compare(x.Code, y.Code))
	})
	return a.findings
}

// documents takes over what was found while reading.
func (a *analysis) documents(c *istio.Config) {
	for f := range c.Findings() {
		problem := *f.Problem
		problem.Source = "" // which file, line and resource say already
		found := Finding{Code: f.Code, Level: f.Level, File: f.File, Line: f.Line, Message: problem.Error()}
		if f.Resource != nil {
			if suppressed(f.Resource, f.Code) {
				continue
			}
			found.Resource = nameOf(f.Resource)
			a.unreachable[f.Resource] = a.unreachable[f.Resource] || f.Code == istio.CodeUnreachable
		}
		a.findings = append(a.findings, found)
	}
}

// add notes a finding about a field of a resource.
func (a *analysis) add(code string, level istio.Level, r *istio.Resource, field, message, advice string) {
	if suppressed(r, code) {
		return
	}
	a.fields[r] = append(a.fields[r], place{len(a.findings), field})
	a.findings = append(a.findings, Finding{Code: code, Level: level, Resource: nameOf(r), File: r.File, Message: message, Advice: advice})
}

// suppressed reports whether a resource asks, as istioctl understands it, not to be
// told of findings with a code.
func suppressed(r *istio.Resource, code string) bool {
	for c := range strings.SplitSeq(r.Annotations[annotation.GalleyAnalyzeSuppress.Name], ",") {
		if c == code || c == "*" {
			return true
		}
	}
	return false
}

// A place is a finding and the field it is about.
type place struct {
	finding int
	field   string
}

// findLines notes the lines of the fields, reading each document once.
func (a *analysis) findLines() {
	for r, places := range a.fields {
		lines := r.Lines()
		for _, p := range places {
			a.findings[p.finding].Line = lines(p.field)
		}
	}
}

// nameOf names a resource as istioctl does.
func nameOf(r *istio.Resource) string {
	if r.HasNamespace() && r.Namespace != "" {
		return r.Kind + " " + r.Namespace + "/" + r.Name
	}
	return r.Kind + " " + r.Name
}

// fullName is the namespace and name of a resource.
func fullName(r *istio.Resource) string { return r.Namespace + "/" + r.Name }
