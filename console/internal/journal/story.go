package journal

import (
	"strings"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/console/internal/words"
)

// A Story is a decision for those who read it; as JSON it is for programs.
type Story struct {
	ID        uint64         `json:"id"`
	RequestID string         `json:"requestId,omitempty"`
	TraceID   string         `json:"traceId,omitempty"`
	Time      time.Time      `json:"t"`
	Ms        float64        `json:"ms"`
	Request   storyRequest   `json:"request"`
	Route     string         `json:"route,omitempty"`
	Split     *storySplit    `json:"split,omitempty"`
	Upstream  string         `json:"upstream,omitempty"`
	Attempts  []storyAttempt `json:"attempts"`
	Effects   []string       `json:"effects,omitempty"`
	Result    storyResult    `json:"result"`
	Why       any            `json:"why,omitempty"`  // what the rules say now
	Note      string         `json:"note,omitempty"` // about Why

	Text     string `json:"-"`
	TookText string `json:"-"`
	Withheld bool   `json:"-"`
	Failed   bool   `json:"-"`
	WhyText  string `json:"-"`
}

type storyRequest struct {
	Method  string            `json:"method"`
	Host    string            `json:"host"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers,omitempty"`
}

type storySplit struct {
	Chosen string `json:"chosen"`
	Drew   uint32 `json:"drew"`
	Of     uint32 `json:"of"` // zero: no draw, but a key decided
}

type storyAttempt struct {
	N        int     `json:"n"`
	Endpoint string  `json:"endpoint"`
	Code     int     `json:"code"`
	Failure  string  `json:"failure,omitempty"`
	StartMs  float64 `json:"startMs"` // after the request began
	Ms       float64 `json:"ms"`
	WaitedMs float64 `json:"waitedMs,omitempty"` // before it
	Retry    string  `json:"retry,omitempty"`    // why another one followed
}

type storyResult struct {
	Code    int    `json:"code"`
	Flags   string `json:"flags"`
	Details string `json:"details,omitempty"`
	Cause   string `json:"cause,omitempty"`
}

// Beyond is the upstream where the split does not name it.
func (s *Story) Beyond() string {
	if s.Split != nil && s.Split.Chosen == s.Upstream {
		return ""
	}
	return s.Upstream
}

// Took is Ms in words.
func (a storyAttempt) Took() string { return inWords(a.Ms) }

// After is StartMs in words.
func (a storyAttempt) After() string { return inWords(a.StartMs) }

// Waited is WaitedMs in words.
func (a storyAttempt) Waited() string { return inWords(a.WaitedMs) }

func inWords(ms float64) string { return words.Short(time.Duration(ms * float64(time.Millisecond))) }

// Tell is d for readers.
func (d *Decision) Tell() Story {
	r := d.Record
	s := Story{
		ID: d.Seq, RequestID: d.id, Time: r.Start, Ms: words.Milliseconds(r.Duration), TookText: words.Short(r.Duration),
		Request: storyRequest{r.Method, r.Host, r.Path, nil}, Route: r.Route, Upstream: r.Upstream,
		Attempts: []storyAttempt{}, Result: storyResult{r.Status, Flags(&r), r.Details, r.Failure},
		Withheld: d.withheld, Failed: Failed(&r),
	}
	for _, h := range d.headers {
		if s.Request.Headers == nil {
			s.Request.Headers = map[string]string{}
		}
		s.Request.Headers[h.name] = h.value
	}
	if r.Branch != "" {
		s.Split = &storySplit{r.Branch, r.Drawn, r.DrawnOf}
	}
	for _, f := range r.Faults {
		s.Effects = append(s.Effects, "fault: "+f)
	}
	for _, m := range r.Mirrors {
		s.Effects = append(s.Effects, "copy: "+m)
	}
	for _, a := range d.attempts {
		s.Attempts = append(s.Attempts, storyAttempt{
			a.n, a.endpoint, a.status, a.failure, words.Milliseconds(max(a.start.Sub(r.Start), 0)), words.Milliseconds(a.took), words.Milliseconds(a.waited), a.why,
		})
	}
	if d.trace != (mesh.Trace{}) {
		s.TraceID = d.trace.String()
	}
	s.Text = d.Text()
	return s
}

// Text is the story as the record tells it.
func (d *Decision) Text() string {
	r := d.Record
	for i, a := range d.attempts {
		t := mesh.Try{N: a.n, Endpoint: a.endpoint, Status: a.status, Start: a.start, Duration: a.took, Waited: a.waited, Why: a.why}
		if a.failure != "" {
			t.Err = said(a.failure)
		}
		if i < len(d.attempts)-1 {
			r.Tries = append(r.Tries, t)
			continue
		}
		r.Last, r.Err = t, t.Err
	}
	text := r.Story()
	if d.id != "" {
		first, rest, _ := strings.Cut(text, "\n")
		text = first + "  id=" + d.id + "\n" + rest
	}
	return text
}

// said is an error of which the text is left.
type said string

// Error implements error.
func (s said) Error() string { return string(s) }

// Flags are the flags of a record as logs have them.
func Flags(r *access.Record) string {
	if r.Flags == "" {
		return "-"
	}
	return string(r.Flags)
}
