package mesh

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh/internal/failed"
	"github.com/sidecarless/mesh/internal/grpc"
)

// WriteError answers r with the reply that a sidecar would give for err: the
// status, text and headers of Envoy, and for a gRPC request a status in headers
// (see "local replies" in Envoy's documentation). Of an err that is not of this
// module it tells no more than what kind of failure it is. It does nothing for
// nil, and must be called before anything else was written.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		return
	}
	tell(w, err)
	status, header, body := reply(AsError(err), r)
	h := w.Header()
	for name, values := range header {
		h[name] = values
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		io.WriteString(w, body) // the caller is gone, there is nobody to tell
	}
}

// tell lets the layers outside know why the request is refused: the status alone
// does not say it.
func tell(w http.ResponseWriter, err error) {
	for w != nil {
		if hears, ok := w.(interface{ Refused(error) }); ok {
			hears.Refused(err)
		}
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = outer.Unwrap()
	}
}

// ErrorsAsResponses is a client layer that turns the errors of next into the
// replies that a sidecar would have given, for code that expects a status and
// not an error. What ended with the caller's own context stays an error, as it
// would with a sidecar. The error is not lost: [ErrorOf] finds it in the reply.
func ErrorsAsResponses(next http.RoundTripper) http.RoundTripper {
	return errorsAsResponses{next}
}

type errorsAsResponses struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t errorsAsResponses) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(r)
	if err == nil {
		return res, nil
	}
	e := AsError(err)
	if e.Flag.Has(ClientGone) || (r.Context().Err() != nil && !ours(err)) {
		return nil, err
	}
	return ResponseFor(r, err), nil
}

// ours reports whether err holds an Error, and so was judged by a layer that
// knew whose context ended.
func ours(err error) bool {
	var e *Error
	return errors.As(err, &e)
}

// ResponseFor is the reply that a sidecar would give to r for err.
func ResponseFor(r *http.Request, err error) *http.Response {
	e := AsError(err)
	status, header, body := reply(e, r)
	res := &http.Response{
		Status:        strconv.Itoa(status) + " " + http.StatusText(status),
		StatusCode:    status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        header,
		ContentLength: int64(len(body)),
	}
	failed.Mark(res, r, err)
	if r.Method == http.MethodHead {
		body = ""
	}
	res.Body = &errorBody{Reader: strings.NewReader(body), err: err}
	return res
}

// errorBody is the text of a reply that still knows what it stands for.
type errorBody struct {
	io.Reader
	err error
}

// Close implements io.Closer.
func (*errorBody) Close() error { return nil }

// ErrorOf is the error for which [ErrorsAsResponses] made res, or nil when a
// server sent it.
func ErrorOf(res *http.Response) error {
	if res == nil {
		return nil
	}
	for body := res.Body; body != nil; {
		switch b := body.(type) {
		case *errorBody:
			return b.err
		case interface{ Unwrap() io.ReadCloser }:
			body = b.Unwrap()
		default:
			return failed.Of(res)
		}
	}
	return failed.Of(res)
}

// reply is Envoy's local reply for e: status, headers and text.
func reply(e *Error, r *http.Request) (int, http.Header, string) {
	status, body := e.Status, e.Body()
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	header := make(http.Header, 4+len(e.Header))
	for name, values := range e.Header {
		header[name] = append([]string(nil), values...)
	}
	// A retry that was refused has the flag as well, but nothing was overloaded.
	if e.Flag == Overflow {
		header["X-Envoy-Overloaded"] = []string{"true"}
	}
	if grpc.Is(r.Header) {
		header["Content-Type"] = []string{"application/grpc"}
		if header["Grpc-Status"] == nil {
			header["Grpc-Status"] = []string{strconv.Itoa(grpc.Status(status))}
		}
		if r.Method == http.MethodHead {
			return http.StatusOK, header, ""
		}
		header["Content-Length"] = []string{"0"}
		if body != "" {
			header["Grpc-Message"] = []string{grpc.Message(body)}
		}
		return http.StatusOK, header, ""
	}
	delete(header, "Grpc-Status")
	if body != "" && header["Content-Type"] == nil {
		header["Content-Type"] = []string{"text/plain"}
	}
	if bodyAllowed(status) && (body != "" || r.Method != http.MethodHead) {
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	return status, header, body
}

// bodyAllowed reports whether an answer of this status may have a body (RFC 9110
// section 6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
