package mesh

import "encoding/hex"

// A Trace says to which distributed trace a request belongs, and which of its
// spans is the request's.
type Trace struct {
	ID      [16]byte
	Span    [8]byte
	Sampled bool // the trace is recorded
}

// String is the ID in hexadecimal digits.
func (t *Trace) String() string { return hex.EncodeToString(t.ID[:]) }

// SpanString is the Span in hexadecimal digits.
func (t *Trace) SpanString() string { return hex.EncodeToString(t.Span[:]) }
