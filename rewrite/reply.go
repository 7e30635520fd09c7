package rewrite

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/grpc"
	"github.com/sidecarless/mesh/match"
)

// A Reply is an answer that needs no server. It is a handler and a RoundTripper.
// Callers of gRPC are told by headers, as by all replies of a sidecar: the status is
// 200, Status is in grpc-status and Body in grpc-message.
type Reply struct {
	Status int         // zero is 200
	Header http.Header // may be nil
	Body   string      // with a Content-Type of text/plain, if Header has none

	// Location adds the request's own URL as Location, which Envoy does when the
	// status is 201 or one of redirects.
	Location bool

	details string // why, for logs; empty is direct_response
}

// Validate reports a status that no answer can have.
func (p Reply) Validate() error {
	problems := check.List{Prefix: "rewrite"}
	if p.Status != 0 && (p.Status < 200 || p.Status > 599) {
		problems.Add("Status", p.Status, "must be 200 to 599")
	}
	for name := range p.Header {
		if !isToken(name) {
			problems.Add("Header", name, "cannot be the name of a header")
		}
	}
	return problems.Err()
}

// ServeHTTP implements http.Handler.
func (p Reply) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.note(r)
	status, header, body := p.answer(r)
	h := w.Header()
	for name, values := range header {
		h[name] = values
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead && bodyAllowed(status) {
		_, _ = io.WriteString(w, body) // the caller is gone, there is nobody to tell
	}
}

// RoundTrip implements http.RoundTripper.
func (p Reply) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close() // it is not sent, as the caller learns by the answer
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	p.note(r)
	status, header, body := p.answer(r)
	res := &http.Response{
		Status:     strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode: status,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     header,
		Body:       http.NoBody,
		Request:    r,
	}
	if bodyAllowed(status) {
		res.ContentLength = int64(len(body))
		if r.Method != http.MethodHead && body != "" {
			res.Body = io.NopCloser(strings.NewReader(body))
		}
	}
	return res, nil
}

// answer is the status, the headers and the body of the answer to r.
func (p Reply) answer(r *http.Request) (int, http.Header, string) {
	status := p.Status
	if status == 0 {
		status = http.StatusOK
	}
	h := p.Header.Clone()
	if h == nil {
		h = make(http.Header, 2)
	}
	if p.Location {
		v := match.ViewOf(r)
		h["Location"] = []string{v.Scheme() + "://" + v.Host() + v.Target()}
	}
	if grpc.Is(r.Header) && p.details != detailsCORS { // a page's preflight is no call
		h["Content-Type"] = []string{"application/grpc"}
		h["Grpc-Status"] = []string{strconv.Itoa(grpc.Status(status))}
		if r.Method == http.MethodHead {
			return http.StatusOK, h, ""
		}
		h["Content-Length"] = []string{"0"}
		if p.Body != "" {
			h["Grpc-Message"] = []string{grpc.Message(p.Body)}
		}
		return http.StatusOK, h, ""
	}
	if bodyAllowed(status) {
		if p.Body != "" && h.Get("Content-Type") == "" {
			h["Content-Type"] = []string{"text/plain"}
		}
		if p.Body != "" || r.Method != http.MethodHead {
			h["Content-Length"] = []string{strconv.Itoa(len(p.Body))}
		}
	}
	return status, h, p.Body
}

// note lets the record of r know who answered.
func (p Reply) note(r *http.Request) {
	if f := record(r); f != nil {
		m := f.Tell()
		m.Details = p.details
		if m.Details == "" {
			m.Details = mesh.DetailsDirectResponse
		}
	}
}

// bodyAllowed reports whether an answer of this status may have a body (RFC 9110
// section 6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
