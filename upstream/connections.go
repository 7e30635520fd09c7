package upstream

import (
	"time"

	"github.com/sidecarless/mesh/internal/check"
)

// A Protocol says how endpoints are spoken to.
type Protocol uint8

const (
	// Negotiated is HTTP/1.1 in plain text, and what the endpoint prefers of
	// HTTP/2 and HTTP/1.1 over TLS (ALPN).
	Negotiated Protocol = iota
	// HTTP1 is HTTP/1.1 in any case (Istio's DO_NOT_UPGRADE).
	HTTP1
	// HTTP2 is HTTP/2 in any case, in plain text by prior knowledge (Istio's
	// UPGRADE).
	HTTP2
)

// String is the protocol's name.
func (p Protocol) String() string {
	switch p {
	case Negotiated:
		return "negotiated"
	case HTTP1:
		return "HTTP/1.1"
	case HTTP2:
		return "HTTP/2"
	}
	return "unknown"
}

// Connections says how the connections to each endpoint are kept. Its zero value
// is Envoy's, as Istio sets it. How many there may be in all is a limit of the
// breaker.
type Connections struct {
	// Protocol is HTTP/1.1 or HTTP/2; zero is Negotiated.
	Protocol Protocol
	// PerEndpoint is how many HTTP/2 connections each endpoint gets from the
	// start; a request takes the one with the least under way. Several spread the
	// load where one address stands for several servers. Further ones are opened
	// when streams run out. Zero is 1. HTTP/1.1 opens as many as there are
	// requests at a time.
	PerEndpoint int
	// MaxStreams bounds the requests at a time on an HTTP/2 connection further
	// than the server does. Zero is no bound.
	MaxStreams int
	// MaxRequests is after how many requests a connection is closed; 1 is without
	// keep-alive. Zero is no bound.
	MaxRequests int
	// Connect bounds the making of a connection, the TLS handshake included. Zero
	// is 10 s, negative no bound.
	Connect time.Duration
	// Idle is how long a connection without requests is kept. Zero is 1 h,
	// negative for ever.
	Idle time.Duration
	// MaxAge is when a connection gets no more requests, and is closed as soon as
	// it has none; each draws up to a tenth more or less, so that they do not end
	// together. Zero is never.
	MaxAge time.Duration
	// PingAfter sends a ping on an HTTP/2 connection that has been silent for this
	// long, and PingTimeout closes it if no answer comes. Zero is no pings, and 15
	// s.
	PingAfter, PingTimeout time.Duration
}

const (
	defaultConnect = 10 * time.Second
	defaultIdle    = time.Hour
)

func (c Connections) check(l *check.List) {
	if c.Protocol > HTTP2 {
		l.Add("Protocol", uint8(c.Protocol), "must be Negotiated, HTTP1 or HTTP2")
	}
	for _, f := range [...]struct {
		name string
		n    int
	}{{"PerEndpoint", c.PerEndpoint}, {"MaxStreams", c.MaxStreams}, {"MaxRequests", c.MaxRequests}} {
		if f.n < 0 {
			l.Add(f.name, f.n, "must not be negative")
		}
	}
	l.NotNegative("MaxAge", c.MaxAge)
	l.NotNegative("PingAfter", c.PingAfter)
	l.NotNegative("PingTimeout", c.PingTimeout)
	if c.PingTimeout > 0 && c.PingAfter == 0 {
		l.Add("PingTimeout", c.PingTimeout, "has no effect without PingAfter")
	}
}

// withDefaults has every default filled in; what is off is zero.
func (c Connections) withDefaults() Connections {
	c.PerEndpoint = max(c.PerEndpoint, 1)
	c.Connect = orDefault(c.Connect, defaultConnect)
	c.Idle = orDefault(c.Idle, defaultIdle)
	return c
}

func orDefault(d, byDefault time.Duration) time.Duration {
	switch {
	case d == 0:
		return byDefault
	case d < 0:
		return 0
	}
	return d
}

// ConnectionStats is what became of the connections of an endpoint or of an
// upstream.
type ConnectionStats struct {
	Open    int // including idle and draining ones
	Idle    int // without a request
	Opening int
	Waiting int // requests that wait for a connection
	Active  int // requests under way

	Opened uint64 // since the start
	Failed uint64 // attempts to open one that failed
	Resent uint64 // requests moved to another connection because theirs had ended before it carried a byte of them
}

func (s *ConnectionStats) add(t ConnectionStats) {
	s.Open += t.Open
	s.Idle += t.Idle
	s.Opening += t.Opening
	s.Waiting += t.Waiting
	s.Active += t.Active
	s.Opened += t.Opened
	s.Failed += t.Failed
}
