package access

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"github.com/sidecarless/mesh"
)

// A Record is one request as it ended. Strings are empty and numbers zero where
// something was not reached or is not known.
type Record struct {
	Start    time.Time
	Duration time.Duration // until the last byte of the answer
	Waited   time.Duration // until the headers of the answer, without injected delays; zero if no server answered

	Method, Host, Path, Protocol string // as they came, before any rewrite; Path with its query
	Route, Branch, Upstream      string // the rule, the branch of a split, the destination (Envoy's cluster)
	Endpoint                     string // address of the last attempt, see Last

	// Where a random draw fell in the sum of the split's weights, and that sum. Both are
	// zero where no draw chose the branch.
	Drawn, DrawnOf uint32

	Status   int       // of the answer, or what a sidecar would answer for Err; 0 when the caller went away before
	Flags    mesh.Flag // why, in Envoy's spelling; empty when all went well
	Details  string    // Envoy's response code details
	Failure  string    // the transport's failure in words
	Err      error     // the error for which there was no answer of a server
	Received int64     // bytes of the request's body
	Sent     int64     // bytes of the answer's body
	Attempts int       // how often it was tried; 0 when it did not come so far

	RequestMessages, ResponseMessages int64 // of a call of gRPC

	Tries   []mesh.Try // the other attempts, in the order in which they ended
	Last    mesh.Try   // the attempt that began last or, of hedged ones, that won; its N is zero when the request did not come so far
	Faults  []string   // faults injected
	Mirrors []string   // destinations of copies

	Remote string // the address of who sent the request, where a header that is believed says so; else it is Request.RemoteAddr

	Peer *mesh.Workload       // who answered or, where a request was served, who called; nil when nobody told
	TLS  *tls.ConnectionState // of the connection to the server or, where a request was served, from the caller; nil in plain text

	Trace *mesh.Trace // nil if no layer traced it

	Request *http.Request // as the caller gave it: only to be read
	Header  http.Header   // of the answer; nil when there was none
	Trailer http.Header   // of the answer
}

// LogValue implements slog.LogValuer with the names of Istio's JSON access log.
func (r Record) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.Time("start_time", r.Start),
		slog.String("method", r.Method),
		slog.String("authority", r.Host),
		slog.String("path", r.Path),
		slog.String("protocol", r.Protocol),
		slog.Int("response_code", r.Status),
		slog.Duration("duration", r.Duration),
		slog.Int64("bytes_received", r.Received),
		slog.Int64("bytes_sent", r.Sent),
	}
	for _, a := range [...]struct{ key, value string }{
		{"response_flags", string(r.Flags)},
		{"response_code_details", r.Details},
		{"route_name", r.Route},
		{"branch", r.Branch},
		{"upstream_cluster", r.Upstream},
		{"upstream_host", r.Endpoint},
		{"upstream_transport_failure_reason", r.Failure},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	if r.Attempts > 1 {
		attrs = append(attrs, slog.Int("attempts", r.Attempts))
	}
	if r.Err != nil {
		attrs = append(attrs, slog.String("error", r.Err.Error()))
	}
	if t := r.Trace; t != nil {
		attrs = append(attrs, slog.String("trace_id", t.String()), slog.String("span_id", t.SpanString()))
	}
	return slog.GroupValue(attrs...)
}
