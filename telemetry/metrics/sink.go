package metrics

import (
	"context"
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/internal/grpc"
	"github.com/sidecarless/mesh/internal/peer"
)

// The values of the label reporter.
const (
	reporterSource      = "source"
	reporterDestination = "destination"
)

// Source is an [access.Sink] for a client or a gateway: it counts requests that this
// process has sent, and the attempts that they took.
func (m *Metrics) Source(_ context.Context, r access.Record) {
	asked := headOf(r.Request.Header)
	k := keyOf(&r, asked)
	k.cluster, k.identity, k.mutual = r.Upstream, identityOf(r.TLS), r.TLS != nil
	if r.Upstream == "" && r.Route == "block_all" {
		k.cluster = "BlackHoleCluster"
	}
	if !strings.HasPrefix(k.cluster, "outbound|") && !m.config.NoHost {
		k.host = r.Host
	}
	if k.peer == nil {
		k.endpoint = r.Endpoint
	}
	s := m.clients.find(&k)
	if s == nil {
		s = m.add(&m.clients, k, m.sourceLabels)
	}
	m.count(s, &r, asked)
	if s.to != nil {
		s.to.count(&r)
	}
}

// Destination is an [access.Sink] for a server: it counts requests that this process
// has answered.
func (m *Metrics) Destination(_ context.Context, r access.Record) {
	asked := headOf(r.Request.Header)
	k := keyOf(&r, asked)
	if id := peer.Identity(r.Request); id != "" {
		k.identity.path, k.mutual = id, true
	}
	if m.destination.host == "" && !m.config.NoHost {
		k.host = r.Host
	}
	s := m.servers.find(&k)
	if s == nil {
		s = m.add(&m.servers, k, m.destinationLabels)
	}
	m.count(s, &r, asked)
}

// keyOf is what both sides look at.
func keyOf(r *access.Record, asked head) key {
	k := key{peer: r.Peer, flags: r.Flags, status: int32(r.Status), grpc: notGRPC}
	if asked.grpc {
		k.grpc = grpcStatus(r)
	}
	return k
}

func (m *Metrics) sourceLabels(k key) labels {
	own := party{m.own, unknown}
	principal := k.identity.String()
	if principal != "" && m.own.Principal != "" {
		own.principal = m.own.Principal
	}
	s := m.asked(k)
	other := k.peer
	if other == nil {
		other = m.upstreams.workload(k.cluster, k.endpoint)
	}
	to := peerOf(other, principal)
	if s.namespace == "" {
		s.namespace = to.Namespace
	}
	e := k.end()
	e.policy = unknown
	if m.config.ReportClientTLS {
		e.policy = policy(own.principal != unknown)
	}
	return labelsOf(reporterSource, own, to, s, e)
}

// asked is the service that a client asked for.
func (m *Metrics) asked(k key) service {
	if rest, ok := strings.CutPrefix(k.cluster, "outbound|"); ok {
		host := rest[strings.LastIndexByte(rest, '|')+1:]
		return serviceOf(host, m.upstreams.namespace(k.cluster))
	}
	s := service{host: text(k.host), name: text(k.host)}
	if k.cluster == "PassthroughCluster" || k.cluster == "BlackHoleCluster" {
		s.name = k.cluster
	}
	return s
}

func (m *Metrics) destinationLabels(k key) labels {
	own := party{m.own, unknown}
	principal := ""
	if k.mutual {
		principal = "spiffe://" + k.identity.path
		own.principal = or(m.own.Principal)
	}
	s := m.destination
	switch {
	case s.host != "":
	case m.config.NoHost:
		s.host, s.name = m.own.CanonicalService, m.own.CanonicalService
	default:
		s.host, s.name = text(k.host), text(k.host)
	}
	if s.namespace == "" {
		s.namespace = m.own.Namespace
	}
	e := k.end()
	e.policy = policy(k.mutual && own.principal != unknown)
	return labelsOf(reporterDestination, peerOf(k.peer, principal), own, s, e)
}

func or(s string) string {
	if s == "" {
		return unknown
	}
	return s
}

// text is s as a label can have it.
func text(s string) string { return strings.ToValidUTF8(s, string(utf8.RuneError)) }

func policy(mutual bool) string {
	if mutual {
		return "mutual_tls"
	}
	return "none"
}

// end is how the request of k ended, in labels.
func (k *key) end() end {
	e := end{protocol: "http", code: strconv.Itoa(int(k.status)), flags: string(k.flags)}
	if e.flags == "" {
		e.flags = "-"
	}
	if k.grpc != notGRPC {
		e.protocol = "grpc"
		if k.grpc != grpcNoCode {
			e.grpc = strconv.Itoa(int(k.grpc))
		}
	}
	return e
}

// identityOf is the SPIFFE ID of the server at the other end of a connection.
func identityOf(s *tls.ConnectionState) identity {
	if s == nil || len(s.PeerCertificates) == 0 {
		return identity{}
	}
	for _, u := range s.PeerCertificates[0].URIs {
		if u.Scheme == "spiffe" {
			return identity{u.Host, u.Path}
		}
	}
	return identity{}
}

// count counts a request.
func (m *Metrics) count(s *series, r *access.Record, asked head) {
	s.requests.Inc()
	ms := float64(r.Duration / time.Millisecond)
	if t := r.Trace; t != nil && t.Sampled {
		if o, ok := s.duration.(prometheus.ExemplarObserver); ok {
			o.ObserveWithExemplar(ms, prometheus.Labels{"trace_id": t.String()})
		}
	} else {
		s.duration.Observe(ms)
	}
	s.received.Observe(float64(r.Received + int64(requestLine(r)+asked.size)))
	s.sent.Observe(float64(r.Sent + int64(answerHead(r))))
	if s.requestMessages != nil {
		s.requestMessages.Add(float64(r.RequestMessages))
		s.responseMessages.Add(float64(r.ResponseMessages))
	}
	if s.folded {
		m.folded.Inc()
	}
}

// requestLine is the size of what comes before the header of a request, and of its
// Host, as HTTP/1.1 writes it.
func requestLine(r *access.Record) int {
	return len(r.Method) + len(r.Path) + len("  HTTP/1.1\r\n") + len("Host: \r\n") + len(r.Host) + len("\r\n")
}

// answerHead is the size of what comes before an answer's body; zero if none began.
func answerHead(r *access.Record) int {
	if r.Status == 0 {
		return 0
	}
	return len("HTTP/1.1 200 \r\n\r\n") + len(http.StatusText(r.Status)) + headOf(r.Header).size
}

// A head is what is counted of a header. To walk over it is most of what counting a
// request costs, so that it is done once.
type head struct {
	size int  // as HTTP/1.1 writes it
	grpc bool // the content type is gRPC's
}

func headOf(h http.Header) (sum head) {
	for name, values := range h {
		for _, v := range values {
			sum.size += len(name) + len(v) + len(": \r\n")
		}
		if name == "Content-Type" && len(values) > 0 {
			sum.grpc = grpc.IsType(values[0])
		}
	}
	return sum
}
