package console

import (
	"iter"
	"net/http"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/split"
	"github.com/sidecarless/mesh/upstream"
)

// A Config says what a console shows and to whom. Its zero value shows what its
// Sink is told, to this machine.
type Config struct {
	// Title names the process at the top of the page; empty is the host's name.
	Title string

	// Upstreams, Breakers and Splits are what the program assembled itself.
	Upstreams []*upstream.Upstream
	Breakers  []*breaker.Breaker
	Splits    []Split

	// Sources are further things to show, such as clients of the mesh's YAML; see
	// also [Console.Add].
	Sources []Source

	// Metrics answers /stats?format=prometheus. Without it these are the console's
	// own numbers under Envoy's names.
	Metrics http.Handler

	// Ready says why the process is not ready, for /ready; nil is always ready.
	Ready func() error

	// Decisions is how many requests are kept, and how many besides that failed. Zero
	// is 256, negative is none.
	Decisions int

	// Series bounds how many paths and endpoints have rates and percentiles; what is
	// beyond is counted together. Zero is 2048, each of about 2.2 kB.
	Series int

	// Remote says who may look; nil is connections from this machine.
	Remote func(*http.Request) bool

	// Hosts are names, besides addresses and names that only a local network knows,
	// by which the page may be asked for.
	Hosts []string

	// Change says who may change the weights of Splits; nil is nobody. It is asked
	// for each change, after everything else was checked.
	Change func(*http.Request) bool

	// Path is where the page is mounted, such as "/debug/mesh/". Empty is what the
	// pattern of [http.ServeMux] tells, and the root without.
	Path string
}

// check reports what is wrong.
func (c *Config) check() error {
	l := check.List{Prefix: "console"}
	if c.Series < 0 {
		l.Add("Series", c.Series, "must not be negative")
	}
	if c.Path != "" && (c.Path[0] != '/' || c.Path[len(c.Path)-1] != '/') {
		l.Add("Path", c.Path, "must begin and end with a slash")
	}
	seen := map[string]bool{}
	for _, s := range c.Splits {
		switch {
		case s.Name == "" || s.Weights == nil:
			l.Add("Splits", s.Name, "must have a name and weights; SplitOf makes such a one")
		case seen[s.Name]:
			l.Add("Splits", s.Name, "is the name of two splits")
		}
		seen[s.Name] = true
	}
	return l.Err()
}

// A Source is something that a console shows. Its functions are called by whoever
// looks, possibly many at a time; any may be nil.
type Source struct {
	// Upstreams are the destinations as they are now.
	Upstreams func() []*upstream.Upstream

	// Configuration is what is in force. As long as it is the same it should be the
	// same pointer.
	Configuration func() *Configuration

	// Explain says what would become of a request. The result is shown by its String
	// method and as JSON.
	Explain func(*http.Request) any

	// Reads are names of request headers, in canonical form, and of query parameters
	// by which rules choose. They are kept with decisions. It is called for each
	// request.
	Reads func() *Reads

	// Reload is how loading the configuration anew went.
	Reload func() Reload
}

// Reads are what rules choose by.
type Reads struct{ Headers, Queries []string }

// A Configuration is what is in force.
type Configuration struct {
	Rules     []Rule     // in the order in which they are tried
	Resources []Resource // of which they were made
	Warnings  []*mesh.Problem
}

// A Rule is one rule for requests.
type Rule struct {
	Hosts    []string `json:"hosts,omitempty"` // for which it is; none is any
	Name     string   `json:"name,omitempty"`  // as records have it
	Match    string   `json:"match,omitempty"` // in words; empty is every request
	Then     string   `json:"then,omitempty"`  // what is done in place of sending it on; empty if it is sent on
	Source   string   `json:"source"`          // where it was written
	Branches []Branch `json:"branches,omitempty"`
}

// A Branch is where a rule leads to.
type Branch struct {
	Upstream string  `json:"upstream"`
	Percent  float64 `json:"percent"`          // of the rule's requests
	Copies   bool    `json:"copies,omitempty"` // only copies go there
}

// A Resource is an object of a document.
type Resource struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Source string `json:"source"` // file and line
}

// A Reload is how loading the configuration anew went so far.
type Reload struct {
	Loads, Failures uint64
	Loaded, Failed  time.Time // the last of each; zero if there was none
	Err             error     // why what is there now is not in force; nil if it is
}

// A Split is one whose weights are shown and, where [Config.Change] allows it, can
// be changed.
type Split struct {
	Name    string
	Weights func() iter.Seq2[string, uint32] // of the branches, in their order
	Set     func(weights []uint32) error     // for the branches in their order; nil: they are only shown
}

// SplitOf is a splitter to be shown and changed.
func SplitOf[T any](name string, s *split.Splitter[T]) Split {
	return Split{
		Name: name,
		Weights: func() iter.Seq2[string, uint32] {
			return func(yield func(string, uint32) bool) {
				for b := range s.Branches() {
					if !yield(b.Name, b.Weight) {
						return
					}
				}
			}
		},
		Set: func(weights []uint32) error {
			var branches []split.Branch[T]
			for b := range s.Branches() {
				if len(branches) < len(weights) {
					b.Weight = weights[len(branches)]
				}
				branches = append(branches, b)
			}
			if len(weights) != len(branches) {
				return &mesh.Problem{Field: "split." + name, Value: len(weights), Reason: "has another number of branches by now"}
			}
			return s.Update(branches...)
		},
	}
}
