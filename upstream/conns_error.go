package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh"
)

// ErrClosed is the cause of the refusal of requests to an upstream that was
// closed or is shutting down.
var ErrClosed = errors.New("the upstream is closed")

const op = "upstream"

func closedError() *mesh.Error {
	return &mesh.Error{
		Op: op, Flag: mesh.NoHealthyUpstream, Status: http.StatusServiceUnavailable,
		Stage: mesh.NotSent, Details: mesh.DetailsNoHealthyUpstream, Err: ErrClosed,
	}
}

// resetError is an attempt that ended without an answer.
func resetError(endpoint, reason string, flag mesh.Flag, status int, stage mesh.Stage, err error) *mesh.Error {
	return &mesh.Error{
		Op: op, Flag: flag, Status: status, Stage: stage,
		Details: mesh.ResetDetails(reason), Endpoint: endpoint, Err: err,
	}
}

// dialError says why a connection could not be made. Whatever went wrong, the
// request was not sent.
func dialError(endpoint string, err error) *mesh.Error {
	e := mesh.AsError(err)
	if e.Flag != mesh.ConnectFailure || errors.Is(err, context.DeadlineExceeded) {
		reason := mesh.ReasonRemoteConnectionFailure
		if errors.Is(err, context.DeadlineExceeded) {
			reason = mesh.ReasonConnectionTimeout
		}
		return resetError(endpoint, reason, mesh.ConnectFailure, http.StatusServiceUnavailable, mesh.NotSent, err)
	}
	named := *e
	named.Op, named.Endpoint = op, endpoint
	return &named
}

// texts tells failures of net/http's connections apart that have no type of
// their own, in addition to those that the root package knows. Go does not
// promise them; a test holds each against a real server.
var texts = [...]struct {
	text   string
	reason string
	flag   mesh.Flag
	status int
	stage  mesh.Stage
}{
	{"server response headers exceeded", mesh.ReasonProtocolError, mesh.ProtocolError, http.StatusBadGateway, mesh.Answered},
	{"response header list larger than", mesh.ReasonProtocolError, mesh.ProtocolError, http.StatusBadGateway, mesh.Answered},
	{"malformed response", mesh.ReasonProtocolError, mesh.ProtocolError, http.StatusBadGateway, mesh.Answered},
	{"connection error: ", mesh.ReasonProtocolError, mesh.ProtocolError, http.StatusBadGateway, mesh.MaybeProcessed},
	{"http2: frame too large", mesh.ReasonProtocolError, mesh.ProtocolError, http.StatusBadGateway, mesh.MaybeProcessed},
	{"Transport received GOAWAY from server", mesh.ReasonRefusedStream, mesh.RemoteReset, http.StatusServiceUnavailable, mesh.NotSent},
	{"client conn could not be established", mesh.ReasonConnectionTermination, mesh.ConnectionLost, http.StatusServiceUnavailable, mesh.NotSent},
}

// callerError is a request whose own body could not be read. It says nothing
// about the endpoint.
func callerError(err error) *mesh.Error {
	return &mesh.Error{
		Op: op, Flag: mesh.ClientGone, Status: 499, Stage: mesh.MaybeProcessed,
		Details: "downstream_remote_disconnect", Err: err,
	}
}

// requestError is a request that net/http did not send because it is malformed,
// with a line break in a header, say.
func requestError(endpoint string, err error) *mesh.Error {
	return &mesh.Error{
		Op: op, Flag: mesh.DownstreamProtocol, Status: http.StatusBadRequest, Stage: mesh.NotSent,
		Details: "http1.codec_error", Endpoint: endpoint, Err: err,
	}
}

// isMalformed reports whether net/http refused a request before anything else. On
// HTTP/2 that nothing was sent is often hidden by what the connection itself sends.
func isMalformed(err error) bool {
	for _, prefix := range [...]string{"http: invalid ", "http: nil ", "http: no Host"} {
		if strings.HasPrefix(err.Error(), prefix) {
			return true
		}
	}
	return false
}

// tooManyHeaders is an answer that Envoy would not have passed on.
func tooManyHeaders(endpoint string, n int) *mesh.Error {
	return resetError(endpoint, mesh.ReasonProtocolError, mesh.ProtocolError, http.StatusBadGateway, mesh.Answered,
		fmt.Errorf("the answer has %d headers, more than %d", n, maxHeaders))
}

// isUnusable reports whether an HTTP/2 connection took no further stream, because
// of a GOAWAY that came at the same moment. Bytes of other requests say nothing
// about this one there.
func isUnusable(err error) bool { return strings.Contains(err.Error(), "client conn not usable") }

// sendError says how a request ended that was given to a connection and got no
// answer. unsent is proof that the connection did not carry a byte of it.
func sendError(endpoint string, err error, unsent bool) *mesh.Error {
	e := lostError(endpoint, err)
	if unsent {
		e.Stage = mesh.NotSent
	}
	return e
}

func lostError(endpoint string, err error) *mesh.Error {
	if isNetwork(err) {
		return resetError(endpoint, mesh.ReasonConnectionTermination, mesh.ConnectionLost,
			http.StatusServiceUnavailable, mesh.MaybeProcessed, err)
	}
	text := err.Error()
	for _, t := range &texts {
		if strings.Contains(text, t.text) {
			return resetError(endpoint, t.reason, t.flag, t.status, t.stage, err)
		}
	}
	named := *mesh.AsError(err)
	named.Op, named.Endpoint = op, endpoint
	return &named
}

// isNetwork reports whether reading or writing failed on an open connection.
// net/http words the failure of a write as if the server had broken the protocol.
func isNetwork(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && (network.Op == "write" || network.Op == "read")
}

// bodyError says why an answer's body broke off. HTTP/1.1 can tell that a body
// is short only by the end of the connection; Envoy calls that a protocol error.
func bodyError(endpoint string, http2 bool, err error) *mesh.Error {
	e := sendError(endpoint, err, false)
	if !http2 && errors.Is(err, io.ErrUnexpectedEOF) {
		e = resetError(endpoint, mesh.ReasonProtocolError, mesh.ProtocolError, http.StatusBadGateway, mesh.Answered, err)
	}
	e.Stage = mesh.Answered
	e.Details = strings.Replace(e.Details, "before_response", "after_response", 1)
	return e
}
