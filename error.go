package mesh

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// An Error is a request that a layer refused or that failed on its way. It says
// what a sidecar would have said: the status it would have answered, the flag
// and the details that it would have logged. Find it with [errors.As]; its cause
// stays visible to [errors.Is] and errors.As.
type Error struct {
	Op      string // the package that refused, such as "route"
	Flag    Flag   // why; several are joined, such as "URX,UF"
	Status  int    // what a sidecar would answer
	Stage   Stage  // how far the request got
	Details string // Envoy's response code details; they also decide the text of the reply

	Route    string // the rule that was chosen, as far as known
	Branch   string // the subset or branch of a split
	Endpoint string // the address of the last attempt
	Retried  bool   // there were attempts before; Envoy's text for a reset then says so

	Header http.Header // further headers of the reply, such as Retry-After; a Grpc-Status is for gRPC callers alone; may be nil
	Text   string      // the text of the reply, where the details do not decide it
	Err    error       // the cause; may be nil
}

// Error is the package, the flag, what happened and where, such as
// "retry: UF: connection refused (route reviews, endpoint 10.0.0.1:9080)".
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op)
		b.WriteString(": ")
	}
	if e.Flag != "" {
		b.WriteString(string(e.Flag))
		b.WriteString(": ")
	}
	switch {
	case e.Err != nil:
		b.WriteString(e.Err.Error())
	case e.Body() != "":
		b.WriteString(e.Body())
	default:
		b.WriteString(strings.ReplaceAll(e.Details, "_", " "))
	}
	sep := " ("
	for _, at := range [...]struct{ what, name string }{{"route ", e.Route}, {"branch ", e.Branch}, {"endpoint ", e.Endpoint}} {
		if at.name != "" {
			b.WriteString(sep)
			b.WriteString(at.what)
			b.WriteString(at.name)
			sep = ", "
		}
	}
	if sep == ", " {
		b.WriteByte(')')
	}
	return b.String()
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether time ran out, as [net.Error] has it: a bound of ours, or
// one that the cause tells of, such as the caller's deadline or a dialer's.
func (e *Error) Timeout() bool { return e.Flag.Has(UpstreamTimeout) || isTimeout(e.Err) }

// Is makes a timeout of ours equal to [context.DeadlineExceeded], since the
// context of an attempt ends with this error as its cause and callers look for
// that one.
func (e *Error) Is(target error) bool {
	return target == context.DeadlineExceeded && e.Flag.Has(UpstreamTimeout)
}

// Envoy's response code details that this module sets.
const (
	DetailsRouteNotFound     = "route_not_found"
	DetailsClusterNotFound   = "cluster_not_found"
	DetailsNoHealthyUpstream = "no_healthy_upstream"
	DetailsResponseTimeout   = "response_timeout"
	DetailsPerTryTimeout     = "upstream_per_try_timeout"
	DetailsFaultAbort        = "fault_filter_abort"
	DetailsRateLimited       = "local_rate_limited"
	DetailsDirectResponse    = "direct_response"
	DetailsViaUpstream       = "via_upstream"

	detailsReset = "upstream_reset_before_response_started"
)

// Envoy's names of the ways in which an attempt ends without an answer, as
// [ResetDetails] takes them.
const (
	ReasonRemoteConnectionFailure = "remote_connection_failure"
	ReasonConnectionTimeout       = "connection_timeout"
	ReasonConnectionTermination   = "connection_termination"
	ReasonRemoteReset             = "remote_reset"
	ReasonRefusedStream           = "remote_refused_stream_reset"
	ReasonProtocolError           = "protocol_error"
	ReasonOverflow                = "overflow"
)

// ResetDetails are the details of an attempt that ended without an answer.
func ResetDetails(reason string) string { return detailsReset + "{" + reason + "}" }

// Body is the text of the reply that a sidecar would give, empty for some.
func (e *Error) Body() string {
	if e.Text != "" {
		return e.Text
	}
	switch e.Details {
	case DetailsNoHealthyUpstream:
		return "no healthy upstream"
	case DetailsResponseTimeout, DetailsPerTryTimeout, "upstream_per_try_idle_timeout":
		return "upstream request timeout"
	case "upstream_max_stream_duration_reached":
		return "upstream max stream duration reached"
	case DetailsFaultAbort:
		return "fault filter abort"
	case DetailsRateLimited:
		return "local_rate_limited"
	case "max_duration_timeout":
		return "downstream duration timeout"
	case "stream_idle_timeout":
		return "stream timeout"
	}
	if strings.HasPrefix(e.Details, "rbac_access_denied") {
		return "RBAC: access denied"
	}
	if reason, ok := strings.CutPrefix(e.Details, detailsReset+"{"); ok {
		reason, _, _ = strings.Cut(strings.TrimSuffix(reason, "}"), "|")
		retried := "reset reason: "
		if e.Retried {
			retried = "retried and the latest reset reason: "
		}
		return "upstream connect error or disconnect/reset before headers. " + retried + strings.ReplaceAll(reason, "_", " ")
	}
	return ""
}

// FlagOf is the flag of an error of this module, or the one that Envoy would
// give to an error of net/http's transport; empty for nil.
func FlagOf(err error) Flag {
	if err == nil {
		return ""
	}
	return AsError(err).Flag
}

// StageOf is how far the request that ended with err got. For an error of
// net/http's transport that leaves it open it is [MaybeProcessed].
func StageOf(err error) Stage {
	if err == nil {
		return Answered
	}
	return AsError(err).Stage
}

// StatusOf is what a sidecar would answer for err; 200 for nil.
func StatusOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	return AsError(err).Status
}

// AsError is the [*Error] in err, or one made for an error of net/http's
// transport; nil for nil. What ended with the caller's own context has the flag
// [ClientGone] and the status 499 that proxies log for it.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return fromTransport(err)
}
