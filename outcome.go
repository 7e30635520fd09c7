package mesh

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidecarless/mesh/internal/grpc"
)

// A Kind says for whom the end of an attempt counts.
type Kind uint8

const (
	// Success: the server answered and did not fail. A 404 is a success here.
	Success Kind = iota
	// Failure: the server failed, or could not be reached.
	Failure
	// Neutral: the caller went away. It says nothing about the server.
	Neutral
	// Local: we refused, and the server never saw the request.
	Local
)

// String is the kind as a word.
func (k Kind) String() string {
	switch k {
	case Success:
		return "success"
	case Failure:
		return "failure"
	case Neutral:
		return "neutral"
	case Local:
		return "local"
	}
	return "unknown"
}

// An Outcome is how one attempt ended. Breakers, ejection, budgets and load
// measurements all judge by it, and only [Success] and [Failure] count for or
// against anybody.
type Outcome struct {
	Kind    Kind
	Status  int           // of the answer, or what a sidecar would have answered; of gRPC mapped to HTTP
	Err     error         // nil when the server answered
	Latency time.Duration // from the start of the attempt to its end; zero if not measured
}

// localFlags are set where we refuse a request before it reaches a server.
var localFlags = [...]Flag{NoRoute, NoCluster, NoHealthyUpstream, Overflow, FaultInjected, RateLimited, RateLimitService, Denied, ExternalDenied, DownstreamProtocol}

// OutcomeOf is the one place where it is decided how an attempt ended: answers
// of 500 and above and errors of the transport are failures, other answers
// successes; for gRPC the status in headers or, once the body has ended, in
// trailers counts. An error is neutral when ctx, the context of the caller,
// ended, and local when a layer of ours refused. Both res and err are given when
// an answer broke off: that is a failure with the status that came.
func OutcomeOf(ctx context.Context, res *http.Response, err error) Outcome {
	if err == nil {
		status := res.StatusCode
		if status == http.StatusOK && grpc.Is(res.Header) {
			status = httpStatusOfGRPC(res)
		}
		o := Outcome{Status: status}
		if status >= http.StatusInternalServerError {
			o.Kind = Failure
		}
		return o
	}
	e := AsError(err)
	o := Outcome{Kind: Failure, Status: e.Status, Err: err}
	if res != nil {
		o.Status = res.StatusCode
	}
	switch {
	case e.Flag.Has(ClientGone), ctx.Err() != nil && !ours(context.Cause(ctx)) && !ours(err):
		o.Kind = Neutral
	case e.isLocal():
		o.Kind = Local
	}
	return o
}

// isLocal looks at the last flag, which is the reason: those before it tell what
// befell the request on the way, such as a retry that was refused.
func (e *Error) isLocal() bool {
	reason := e.Flag
	if i := strings.LastIndexByte(string(reason), ','); i >= 0 {
		reason = reason[i+1:]
	}
	return slices.Contains(localFlags[:], reason)
}

// httpStatusOfGRPC is what Envoy counts for the answer to a gRPC request: its
// grpc-status as an HTTP status.
func httpStatusOfGRPC(res *http.Response) int {
	v := res.Header["Grpc-Status"]
	if len(v) == 0 {
		v = res.Trailer["Grpc-Status"]
	}
	if len(v) == 0 {
		return res.StatusCode
	}
	code, err := strconv.Atoi(v[0])
	if err != nil || code < 0 || code >= len(grpcToHTTP) {
		return http.StatusInternalServerError
	}
	return grpcToHTTP[code]
}

// grpcToHTTP is indexed by gRPC's status codes, OK to UNAUTHENTICATED.
var grpcToHTTP = [...]int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}
