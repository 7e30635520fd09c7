package access

import (
	"fmt"
	"strings"
	"time"

	"github.com/sidecarless/mesh"
)

// Story is the record in words, for people: a line that says how the request
// ended, and one for each thing that was decided on its way. Values of its query
// are left out.
//
//	200 - GET reviews/reviews/1 12ms
//	  route  jason
//	  split  v1, drew 137 of 1000
//	  try 1  10.0.0.9:9080 503 3ms, then again: 5xx
//	  try 2  10.0.0.7:9080 200 8ms, waited 25ms before
//	  end    via_upstream
func (r Record) Story() string {
	var b strings.Builder
	flags := string(r.Flags)
	if flags == "" {
		flags = "-"
	}
	fmt.Fprintf(&b, "%d %s %s %s%s %v\n", r.Status, flags, r.Method, r.Host, WithoutValues(r.Path), rounded(r.Duration))
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-6s %s\n", name, strings.Join(strings.Fields(text), " "))
		}
	}
	line("route", r.Route)
	switch {
	case r.DrawnOf > 0:
		line("split", fmt.Sprintf("%s, drew %d of %d", r.Branch, r.Drawn, r.DrawnOf))
	case r.Branch != "":
		line("split", r.Branch+", by its key")
	}
	if r.Upstream != r.Branch {
		line("to", r.Upstream)
	}
	for _, f := range r.Faults {
		line("fault", f)
	}
	for _, t := range r.Tries {
		line(fmt.Sprint("try ", t.N), earlier(t))
	}
	if r.Last.Endpoint != "" {
		line(fmt.Sprint("try ", r.Last.N), r.last())
	}
	for _, m := range r.Mirrors {
		line("copy", m)
	}
	line("end", r.Details)
	line("cause", r.Failure)
	return b.String()
}

// earlier tells of an attempt that another one followed.
func earlier(t mesh.Try) string {
	how := fmt.Sprint(t.Status)
	if t.Err != nil {
		how = t.Err.Error()
	}
	text := fmt.Sprintf("%s %s %v", t.Endpoint, how, rounded(t.Duration)) + waited(t)
	if t.Why != "" {
		text += ", then again: " + strings.TrimSuffix(t.Why, ": "+how)
	}
	return text
}

// last tells of the last attempt, which ended as the request did.
func (r Record) last() string {
	how := fmt.Sprint(r.Status)
	if r.Err != nil {
		how = "failed"
	}
	took := r.Duration
	if !r.Last.Start.IsZero() {
		took = r.Start.Add(took).Sub(r.Last.Start)
	}
	return fmt.Sprintf("%s %s %v", r.Last.Endpoint, how, rounded(took)) + waited(r.Last)
}

func waited(t mesh.Try) string {
	if t.Waited < time.Microsecond {
		return ""
	}
	return fmt.Sprintf(", waited %v before", rounded(t.Waited))
}

// rounded leaves out digits that nobody reads.
func rounded(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

// WithoutValues is a request's target with an asterisk for each value of its
// query: who reads of a request need not know what it searched for.
func WithoutValues(target string) string {
	path, query, found := strings.Cut(target, "?")
	if !found {
		return target
	}
	var b strings.Builder
	b.WriteString(path)
	for i, pair := range strings.Split(query, "&") {
		name, _, valued := strings.Cut(pair, "=")
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(name)
		if valued {
			b.WriteString("=*")
		}
	}
	return b.String()
}
