package mesh

// A Stage says how far a failed request got, and so whether it can have had an
// effect. It is what decides whether a request that is not idempotent may be
// sent again.
type Stage uint8

const (
	// NotSent: the server cannot have acted. The connection was not made, the
	// server gave the stream back unprocessed, or we refused the request.
	NotSent Stage = iota
	// MaybeProcessed: some of the request was sent and no answer came.
	MaybeProcessed
	// Answered: the server had begun to answer.
	Answered
)

// String is the stage as a word.
func (s Stage) String() string {
	switch s {
	case NotSent:
		return "not sent"
	case MaybeProcessed:
		return "maybe processed"
	case Answered:
		return "answered"
	}
	return "unknown"
}
