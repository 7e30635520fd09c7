package retry

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
)

// A Condition is a kind of failure that is worth another attempt, in the words
// of Envoy's retry_on and Istio's retryOn.
type Condition string

// The conditions. Those from Cancelled on look at the grpc-status among the
// headers of an answer.
const (
	ServerError        Condition = "5xx"                        // an answer of 500 to 599, any failure without an answer, a per-try timeout
	GatewayError       Condition = "gateway-error"              // like 5xx, but of the answers 502, 503 and 504 only
	Reset              Condition = "reset"                      // any failure without an answer, a per-try timeout
	ResetBeforeRequest Condition = "reset-before-request"       // a failure before anything of the request was sent
	ConnectFailure     Condition = "connect-failure"            // no connection could be made
	RefusedStream      Condition = "refused-stream"             // the server gave an HTTP/2 stream back unprocessed
	RateLimited        Condition = "envoy-ratelimited"          // an answer with the header x-envoy-ratelimited, which is otherwise never repeated
	Retriable4xx       Condition = "retriable-4xx"              // the answer 409
	StatusCodes        Condition = "retriable-status-codes"     // an answer of Config.Statuses
	AnswerHeaders      Condition = "retriable-headers"          // an answer that fits one of Config.AnswerHeaders
	HTTP3Connect       Condition = "http3-post-connect-failure" // known for completeness; it never comes

	Cancelled         Condition = "cancelled"          // grpc-status 1
	DeadlineExceeded  Condition = "deadline-exceeded"  // grpc-status 4
	ResourceExhausted Condition = "resource-exhausted" // grpc-status 8
	Internal          Condition = "internal"           // grpc-status 13
	Unavailable       Condition = "unavailable"        // grpc-status 14
)

// conditions is a set of them.
type conditions uint32

const (
	onServerError conditions = 1 << iota
	onGatewayError
	onReset
	onResetBeforeRequest
	onConnectFailure
	onRefusedStream
	onRateLimited
	onRetriable4xx
	onStatusCodes
	onAnswerHeaders
	onHTTP3Connect

	grpcShift = 16 // the bit of grpc-status 0
)

// onAnyStatus are the conditions that an answer of any status can meet.
const onAnyStatus = onGRPC | onStatusCodes | onAnswerHeaders | onRateLimited

const onGRPC conditions = 0xffff << grpcShift

// bit is the set of c alone, empty for an unknown word.
func (c Condition) bit() conditions {
	switch c {
	case ServerError:
		return onServerError
	case GatewayError:
		return onGatewayError
	case Reset:
		return onReset
	case ResetBeforeRequest:
		return onResetBeforeRequest
	case ConnectFailure:
		return onConnectFailure
	case RefusedStream:
		return onRefusedStream
	case RateLimited:
		return onRateLimited
	case Retriable4xx:
		return onRetriable4xx
	case StatusCodes:
		return onStatusCodes
	case AnswerHeaders:
		return onAnswerHeaders
	case HTTP3Connect:
		return onHTTP3Connect
	case Cancelled:
		return 1 << (grpcShift + 1)
	case DeadlineExceeded:
		return 1 << (grpcShift + 4)
	case ResourceExhausted:
		return 1 << (grpcShift + 8)
	case Internal:
		return 1 << (grpcShift + 13)
	case Unavailable:
		return 1 << (grpcShift + 14)
	}
	return 0
}

// ParseOn reads a list of conditions and status codes separated by commas, such
// as "connect-failure,refused-stream,503". Spaces around a word do not matter,
// case does. Status codes are returned apart, and the condition
// [StatusCodes] is added for them. The error names every word that is neither.
func ParseOn(s string) (on []Condition, statuses []int, err error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil, nil
	}
	problems := check.List{Prefix: "retry"}
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		if c := Condition(word); c.bit() != 0 {
			on = append(on, c)
		} else if status, err := strconv.Atoi(word); err == nil && validStatus(status) {
			statuses = append(statuses, status)
		} else {
			problems.Add("", word, "is neither a condition for retries nor a status code")
		}
	}
	if err := problems.Err(); err != nil {
		return nil, nil, err
	}
	if len(statuses) > 0 && setOf(on)&onStatusCodes == 0 {
		on = append(on, StatusCodes)
	}
	return on, statuses, nil
}

func setOf(list []Condition) (set conditions) {
	for _, c := range list {
		set |= c.bit()
	}
	return set
}

// statusSet is a set of status codes.
type statusSet [10]uint64

func validStatus(status int) bool { return 100 <= status && status < 600 }

func (s *statusSet) add(status int) { s[status/64] |= 1 << (status % 64) }

func (s *statusSet) has(status int) bool {
	return uint(status) < 64*uint(len(s)) && s[status/64]&(1<<(status%64)) != 0
}

// A HeaderMatch fits a header that is there, and has the value if one is given.
type HeaderMatch struct {
	Name  string
	Value string // empty fits any value
}

// anyFits reports whether one of list, with canonical names, fits h.
func anyFits(list []HeaderMatch, h http.Header) bool {
	for i := range list {
		for _, v := range h[list[i].Name] {
			if list[i].Value == "" || v == list[i].Value {
				return true
			}
		}
	}
	return false
}

// ofAnswer is the condition that an answer meets, or zero. A rate-limited answer
// meets no other condition than the one for it.
func (r *rules) ofAnswer(status int, h http.Header) Condition {
	on := r.on
	if on == 0 || status < 400 && on&onAnyStatus == 0 {
		return ""
	}
	if len(h["X-Envoy-Ratelimited"]) > 0 {
		return on.when(onRateLimited, RateLimited)
	}
	switch {
	case status >= 500 && status < 600 && on&(onServerError|onGatewayError) != 0:
		if on&onServerError != 0 {
			return ServerError
		}
		if status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout {
			return GatewayError
		}
	case status == http.StatusConflict && on&onRetriable4xx != 0:
		return Retriable4xx
	}
	if on&onStatusCodes != 0 && r.statuses.has(status) {
		return StatusCodes
	}
	if on&onAnswerHeaders != 0 && anyFits(r.config.AnswerHeaders, h) {
		return AnswerHeaders
	}
	if on&onGRPC != 0 {
		return on.ofGRPC(h["Grpc-Status"])
	}
	return ""
}

func (on conditions) when(bit conditions, c Condition) Condition {
	if on&bit == 0 {
		return ""
	}
	return c
}

func (on conditions) ofGRPC(values []string) Condition {
	if len(values) == 0 {
		return ""
	}
	switch values[0] {
	case "1":
		return on.when(Cancelled.bit(), Cancelled)
	case "4":
		return on.when(DeadlineExceeded.bit(), DeadlineExceeded)
	case "8":
		return on.when(ResourceExhausted.bit(), ResourceExhausted)
	case "13":
		return on.when(Internal.bit(), Internal)
	case "14":
		return on.when(Unavailable.bit(), Unavailable)
	}
	return ""
}

// ofFailure is the condition that a failure without an answer meets, or zero.
// What we refused ourselves, what the caller ended and what ran out of the time
// for the whole request meets none.
func (r *rules) ofFailure(o mesh.Outcome) Condition {
	on := r.on
	if on == 0 || o.Kind != mesh.Failure {
		return ""
	}
	e := mesh.AsError(o.Err)
	switch {
	case e.Details == mesh.DetailsResponseTimeout:
		return ""
	case e.Flag.Has(mesh.ConnectFailure) && on&onConnectFailure != 0:
		return ConnectFailure
	case isRefusedStream(e) && on&onRefusedStream != 0:
		return RefusedStream
	case on&onReset != 0:
		return Reset
	case on&onServerError != 0:
		return ServerError
	case on&onGatewayError != 0:
		return GatewayError
	case on&onResetBeforeRequest != 0 && e.Stage == mesh.NotSent && !isRefusedStream(e):
		return ResetBeforeRequest
	}
	return ""
}

func isRefusedStream(e *mesh.Error) bool {
	return e.Details == mesh.ResetDetails(mesh.ReasonRefusedStream)
}
