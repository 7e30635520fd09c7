package mesh

import (
	"fmt"
	"strings"
	"time"
)

// A Try is one attempt to send a request, as histories and records tell it.
type Try struct {
	N        int           // 1 is the first
	Endpoint string        // where it went, if a balancer told
	Status   int           // of the answer; zero without one
	Err      error         // nil with an answer
	Start    time.Time     // zero if it was not measured
	Duration time.Duration // until the headers of the answer or the failure
	Waited   time.Duration // before it
	Why      string        // why another attempt followed, or why none did
}

// String is the attempt in one line.
func (t Try) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", t.N)
	if t.Endpoint != "" {
		fmt.Fprintf(&b, " at %s", t.Endpoint)
	}
	if t.Err != nil {
		fmt.Fprintf(&b, ": %v", t.Err)
	} else {
		fmt.Fprintf(&b, ": %d", t.Status)
	}
	fmt.Fprintf(&b, " after %v", t.Duration)
	return b.String()
}
