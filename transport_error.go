package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// statusClientClosedRequest is what proxies log when the caller left.
const statusClientClosedRequest = 499

// streamError has the shape of the error with which net/http reports an HTTP/2
// stream that was reset; errors.As fills any struct of this shape, so that
// golang.org/x/net need not be imported.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

// Error makes streamError an error, so that errors.As takes it for a target.
func (e streamError) Error() string { return "stream error" }

// http2RefusedStream is the code of RFC 9113 section 7 by which a server says
// that it has not acted on a stream.
const http2RefusedStream = 7

// transportTexts tells failures apart for which net/http has no type. They are
// not promised by Go; a test holds each against a real listener.
var transportTexts = [...]struct {
	text   string
	reason string
	flag   Flag
	status int
	stage  Stage
}{
	{"TLS handshake timeout", ReasonConnectionTimeout, ConnectFailure, http.StatusServiceUnavailable, NotSent},
	{"REFUSED_STREAM", ReasonRefusedStream, RemoteReset, http.StatusServiceUnavailable, NotSent},
	{"graceful shutdown GOAWAY", ReasonRefusedStream, RemoteReset, http.StatusServiceUnavailable, NotSent},
	{"server sent GOAWAY and closed the connection", ReasonConnectionTermination, ConnectionLost, http.StatusServiceUnavailable, MaybeProcessed},
	{"malformed HTTP", ReasonProtocolError, ProtocolError, http.StatusBadGateway, Answered},
	{"malformed MIME header", ReasonProtocolError, ProtocolError, http.StatusBadGateway, Answered},
	{"chunk", ReasonProtocolError, ProtocolError, http.StatusBadGateway, Answered},
	{"invalid Read on closed", ReasonConnectionTermination, ConnectionLost, http.StatusServiceUnavailable, MaybeProcessed},
	{"transport connection broken", ReasonProtocolError, ProtocolError, http.StatusBadGateway, Answered},
}

// fromTransport says what a failure of net/http's transport means in Envoy's
// words (see the table of resets in Envoy's documentation of response flags).
func fromTransport(err error) *Error {
	e := &Error{Op: "transport", Err: err}
	set := func(reason string, flag Flag, status int, stage Stage) *Error {
		e.Details, e.Flag, e.Status, e.Stage = ResetDetails(reason), flag, status, stage
		return e
	}
	if errors.Is(err, context.Canceled) || isCancelled(err) {
		e.Details, e.Flag, e.Status, e.Stage = "downstream_remote_disconnect", ClientGone, statusClientClosedRequest, MaybeProcessed
		return e
	}
	var stream streamError
	if errors.As(err, &stream) {
		if stream.Code == http2RefusedStream {
			return set(ReasonRefusedStream, RemoteReset, http.StatusServiceUnavailable, NotSent)
		}
		return set(ReasonRemoteReset, RemoteReset, http.StatusServiceUnavailable, MaybeProcessed)
	}
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &op) && op.Op == "dial", errors.As(err, &dns):
		if isTimeout(err) {
			return set(ReasonConnectionTimeout, ConnectFailure, http.StatusServiceUnavailable, NotSent)
		}
		reason := ReasonRemoteConnectionFailure
		if errors.Is(err, syscall.ECONNREFUSED) {
			reason += "|delayed_connect_error:_Connection_refused"
		}
		return set(reason, ConnectFailure, http.StatusServiceUnavailable, NotSent)
	case isTLS(err):
		return set(ReasonRemoteConnectionFailure+"|TLS_error", ConnectFailure, http.StatusServiceUnavailable, NotSent)
	case errors.Is(err, context.DeadlineExceeded):
		details := DetailsResponseTimeout
		if strings.Contains(err.Error(), "timeout awaiting response headers") {
			details = DetailsPerTryTimeout // Transport.ResponseHeaderTimeout
		}
		e.Details, e.Flag, e.Status, e.Stage = details, UpstreamTimeout, http.StatusGatewayTimeout, MaybeProcessed
		return e
	}
	text := err.Error()
	for _, t := range &transportTexts {
		if strings.Contains(text, t.text) {
			return set(t.reason, t.flag, t.status, t.stage)
		}
	}
	return set(ReasonConnectionTermination, ConnectionLost, http.StatusServiceUnavailable, MaybeProcessed)
}

// isCancelled reports whether the caller ended the request by its Cancel, as
// [http.Client] does beside the context when its Timeout is over.
func isCancelled(err error) bool {
	return strings.Contains(err.Error(), "net/http: request canceled")
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func isTLS(err error) bool {
	var (
		verify *tls.CertificateVerificationError
		record tls.RecordHeaderError
		alert  tls.AlertError
	)
	return errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &alert) ||
		strings.Contains(err.Error(), "remote error: tls:")
}
