package access

import (
	"net/http"
	"strings"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/failed"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/internal/rw"
)

// The headers of an [Explainer].
const (
	ExplainHeader  = "X-Mesh-Explain"  // of a request: its caller wants to be told
	DecisionHeader = "X-Mesh-Decision" // of its answer: what was decided
)

// An Explainer answers callers that ask what became of their request: one that
// carries the header x-mesh-explain gets the [Record.Story], on one line, in the
// header x-mesh-decision of its answer. The story ends where the answer begins.
//
// It tells of endpoints and rules, which is nobody's business but the operator's:
// without Allow it only takes the header off requests, so that a question goes no
// further than the layer that was asked.
type Explainer struct {
	// Allow says whether the caller of a request may be told; nil is nobody.
	Allow func(*http.Request) bool

	// Max is how many bytes the header may have; the rest is cut off. Zero is 1024.
	Max int
}

// Transport is a client layer. It belongs outside of all others, so that it tells
// of them; an error without an answer has nowhere to carry a story, see
// [mesh.ErrorsAsResponses].
func (e Explainer) Transport(next http.RoundTripper) http.RoundTripper {
	return explainingTransport{e, next}
}

type explainingTransport struct {
	Explainer
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t explainingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header[ExplainHeader] == nil {
		return t.next.RoundTrip(r)
	}
	allowed := t.Allow != nil && t.Allow(r)
	f, out := flow.Ensure(r)
	out = flow.OwnHeader(out)
	delete(out.Header, ExplainHeader)
	res, err := t.next.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	failed.Rename(res, out, r)
	// What a server says here is not what this layer knows.
	delete(res.Header, DecisionHeader)
	if !allowed {
		return res, nil
	}
	var rec Record
	rec.note(f, f.Request)
	rec.Status = res.StatusCode
	if failed := mesh.ErrorOf(res); failed != nil {
		rec.fail(failed)
	} else {
		rec.viaUpstream()
	}
	if res.Header == nil {
		res.Header = http.Header{}
	}
	res.Header[DecisionHeader] = []string{t.line(rec)}
	return res, nil
}

// Handler is a server layer. It belongs outside of all others.
func (e Explainer) Handler(next http.Handler) http.Handler {
	return explainingHandler{e, next}
}

type explainingHandler struct {
	Explainer
	next http.Handler
}

// ServeHTTP implements http.Handler.
func (h explainingHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header[ExplainHeader] == nil {
		h.next.ServeHTTP(w, r)
		return
	}
	allowed := h.Allow != nil && h.Allow(r)
	f, in := flow.EnsureServed(r)
	in = in.WithContext(in.Context())
	in.Header = in.Header.Clone()
	delete(in.Header, ExplainHeader)
	if !allowed {
		h.next.ServeHTTP(w, in)
		flow.HandBack(r, in)
		return
	}
	s := &explained{Explainer: h.Explainer, flow: f, request: r}
	h.next.ServeHTTP(s.Wrap(w, s), in)
	flow.HandBack(r, in)
	s.Finish()
}

// explained is an answer that tells how it came about.
type explained struct {
	rw.Writer
	Explainer
	flow    *flow.Flow
	request *http.Request
	err     error
}

// OnRefusal implements rw.RefusalHook.
func (s *explained) OnRefusal(err error) { s.err = err }

// BeforeHeader implements rw.Hooks.
func (s *explained) BeforeHeader(status int) int {
	var rec Record
	rec.note(s.flow, s.request)
	rec.Status = status
	if s.err != nil {
		rec.fail(s.err)
	} else {
		rec.viaUpstream()
	}
	s.Header()[DecisionHeader] = []string{s.line(rec)}
	return status
}

// line is the story of rec as the value of a header (RFC 9110, 5.5).
func (e Explainer) line(rec Record) string {
	most := e.Max
	if most <= 0 {
		most = 1024
	}
	story := strings.ReplaceAll(strings.TrimSuffix(rec.Story(), "\n"), "\n", ";")
	story = strings.Map(func(c rune) rune {
		switch {
		case c == 'µ': // of durations
			return 'u'
		case c < ' ' || c > '~':
			return '?'
		}
		return c
	}, strings.Join(strings.Fields(story), " "))
	if len(story) > most {
		story = story[:max(0, most-3)] + "..."[:min(3, most)]
	}
	return story
}
