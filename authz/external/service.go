package external

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/internal/rawpath"
	"github.com/sidecarless/mesh/match"
)

// removed is the header in which the service names headers that the application is
// not to get.
const removed = "X-Envoy-Auth-Headers-To-Remove"

// mostReply is the most of a refusal's text that is passed on.
const mostReply = 1 << 20

// Ask asks about a served request. A refusal is a [*mesh.Error] that is the
// service's own answer, or the one that [Config] has for failures. It may be
// [authz.Config].Ask.
func (s *Service) Ask(r *http.Request) (authz.Answer, error) {
	ahead, err := s.readAhead(r)
	if err != nil {
		return authz.Answer{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.config.Timeout)
	defer cancel()
	res, err := s.config.Transport.RoundTrip(s.check(ctx, r, ahead))
	if err != nil {
		return s.failed(r, ahead, err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode >= 500:
		return s.failed(r, ahead, fmt.Errorf("external: the service answered %s", res.Status))
	case res.StatusCode != http.StatusOK:
		text, err := io.ReadAll(io.LimitReader(res.Body, mostReply))
		if err != nil {
			return s.failed(r, ahead, err)
		}
		return authz.Answer{}, s.refusal(res, string(text))
	}
	return s.allowed(r, ahead, res.Header), nil
}

// check is what the service gets.
func (s *Service) check(ctx context.Context, r *http.Request, ahead *readAhead) *http.Request {
	view := match.ViewOf(r)
	u := &url.URL{Scheme: s.url.Scheme, Host: s.url.Host}
	rawpath.Set(u, s.prefix+view.Path())
	u.RawQuery, u.ForceQuery = r.URL.RawQuery, r.URL.ForceQuery
	c := (&http.Request{Method: r.Method, URL: u, Host: r.Host, Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	for name, values := range r.Header {
		if (name == "Authorization" || s.told.Match(name)) && !hop(name) && name != "Content-Length" {
			c.Header[name] = values
		}
	}
	maps.Copy(c.Header, s.add)
	if _, set := c.Header["User-Agent"]; !set {
		c.Header["User-Agent"] = nil // net/http's own says nothing about the caller
	}
	ahead.tell(c)
	return c
}

// hop reports whether a header is for one connection only (RFC 9110 section 7.6.1).
func hop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// allowed is the answer for a request that the service lets through.
func (s *Service) allowed(r *http.Request, ahead *readAhead, header http.Header) authz.Answer {
	a := authz.Answer{Allowed: true, Request: ahead.restore(r), Reply: s.chosen(header, s.allow)}
	set, gone := s.chosen(header, s.upstream), header[removed]
	if len(set) == 0 && len(gone) == 0 {
		return a
	}
	if a.Request == nil {
		a.Request = r.WithContext(r.Context())
	}
	a.Request.Header = r.Header.Clone()
	for name, values := range set {
		a.Request.Header[name] = values[len(values)-1:] // one after the other took its place
	}
	for _, line := range gone {
		for name := range strings.SplitSeq(line, ",") {
			delete(a.Request.Header, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	return a
}

// chosen are the headers with the names that are accepted.
func (s *Service) chosen(header http.Header, accepted *match.Strings) http.Header {
	var some http.Header
	for name, values := range header {
		if accepted.Match(name) && !hop(name) && name != removed && name != "Content-Length" && name != "Host" {
			if some == nil {
				some = http.Header{}
			}
			some[name] = slices.Clone(values)
		}
	}
	return some
}

// refusal is the service's own answer. One without a body has no type, as Envoy
// passes it on.
func (s *Service) refusal(res *http.Response, text string) error {
	header := http.Header{}
	for name, values := range res.Header {
		own := name == "Www-Authenticate" || name == "Location"
		if (s.deny == nil || own || s.deny.Match(name)) && !hop(name) && name != removed && name != "Content-Length" {
			header[name] = values
		}
	}
	if text == "" {
		delete(header, "Content-Type")
	}
	return &mesh.Error{
		Op: "authz/external", Flag: mesh.ExternalDenied, Status: res.StatusCode, Stage: mesh.NotSent, Details: "ext_authz_denied",
		Header: header, Text: text,
	}
}

// failed is what becomes of a request when the service fails.
func (s *Service) failed(r *http.Request, ahead *readAhead, err error) (authz.Answer, error) {
	if s.config.FailOpen && r.Context().Err() == nil {
		return authz.Answer{Allowed: true, Request: ahead.restore(r)}, nil
	}
	if cause := context.Cause(r.Context()); cause != nil {
		err = errors.Join(err, cause)
	}
	return authz.Answer{}, &mesh.Error{
		Op: "authz/external", Flag: mesh.ExternalDenied, Status: s.config.StatusOnError, Stage: mesh.NotSent, Details: "ext_authz_error", Err: err,
	}
}
