package rewrite

import (
	"errors"
	"net/http"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// Transport changes requests before next sends them, and the answers. An error
// of next that stands for a reply (see [mesh.ErrorsAsResponses]) gets the headers
// that the reply would get.
func (w *Rewriter) Transport(next http.RoundTripper) http.RoundTripper {
	return &transport{w, next}
}

type transport struct {
	w    *Rewriter
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	s := t.w.now.Load()
	switch {
	case s.changesHeader():
		r = flow.OwnHeader(r)
		s.change(r, false)
	case s.changesRequest():
		r = flow.Own(r)
		s.change(r, false)
	}
	res, err := t.next.RoundTrip(r)
	if len(s.response) == 0 {
		return res, err
	}
	if err != nil {
		return nil, withHeader(err, func(h http.Header, status int) {
			s.response.apply(h, scope{r, h, status, err})
		})
	}
	if res.Header == nil {
		res.Header = make(http.Header)
	}
	s.response.apply(res.Header, scope{r, res.Header, res.StatusCode, mesh.ErrorOf(res)})
	return res, nil
}

// withHeader is err with changed headers of the reply for which it stands. What
// ended with the caller stands for none.
func withHeader(err error, change func(h http.Header, status int)) error {
	var found *mesh.Error
	if !errors.As(err, &found) || found.Flag.Has(mesh.ClientGone) {
		return err
	}
	e := *found
	if e.Header = e.Header.Clone(); e.Header == nil {
		e.Header = make(http.Header)
	}
	change(e.Header, e.Status)
	return &e
}
