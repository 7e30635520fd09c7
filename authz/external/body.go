package external

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/sidecarless/mesh"
)

// readAhead is what was read of a request's body for the service. Nil is a body
// that was left alone.
type readAhead struct {
	read []byte
	cut  bool // there may be more
}

// readAhead reads as much of a body as the service is told. The body of an upgrade
// is none.
func (s *Service) readAhead(r *http.Request) (*readAhead, error) {
	if s.config.MaxBody == 0 || r.Body == nil || r.Body == http.NoBody || r.Header["Upgrade"] != nil {
		return nil, nil
	}
	// A byte more tells whether there is more. Where the rest may be left out it is
	// not waited for.
	most := s.config.MaxBody
	if !s.config.PartialBody {
		most++
	}
	read, err := io.ReadAll(io.LimitReader(r.Body, int64(most)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge), err == nil && len(read) > s.config.MaxBody:
		return nil, &mesh.Error{
			Op: "authz/external", Status: http.StatusRequestEntityTooLarge, Stage: mesh.NotSent,
			Details: "request_payload_too_large", Text: "Payload Too Large", Err: err,
		}
	case err != nil:
		return nil, &mesh.Error{
			Op: "authz/external", Flag: mesh.ClientGone, Status: http.StatusBadRequest, Stage: mesh.NotSent,
			Details: "downstream_remote_disconnect", Err: err,
		}
	}
	cut := s.config.PartialBody && len(read) == s.config.MaxBody && r.ContentLength != int64(len(read))
	return &readAhead{read, cut}, nil
}

// tell puts the body into a check.
func (a *readAhead) tell(c *http.Request) {
	if a == nil {
		return
	}
	c.Header["X-Envoy-Auth-Partial-Body"] = []string{"false"}
	if a.cut {
		c.Header["X-Envoy-Auth-Partial-Body"] = []string{"true"}
	}
	if len(a.read) > 0 {
		c.Body, c.ContentLength = io.NopCloser(bytes.NewReader(a.read)), int64(len(a.read))
	}
}

// restore is r with its body from the beginning, nil if nothing of it was read.
func (a *readAhead) restore(r *http.Request) *http.Request {
	if a == nil {
		return nil
	}
	r = r.WithContext(r.Context())
	r.Body = restored{io.MultiReader(bytes.NewReader(a.read), r.Body), r.Body}
	return r
}

type restored struct {
	io.Reader
	io.Closer
}
