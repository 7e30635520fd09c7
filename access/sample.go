package access

import (
	"context"
	"math/rand/v2"
)

// Sampled is a Sink that hands on to s every [Record] of a request that failed,
// and one in n of the others, drawn at random. With n of one or less it is s.
func Sampled(n int, s Sink) Sink {
	if n <= 1 || s == nil {
		return s
	}
	return func(ctx context.Context, r Record) {
		if r.failed() || rand.IntN(n) == 0 {
			s(ctx, r)
		}
	}
}

// failed reports whether r is of a request that a server did not answer to its
// end, or with a status of 500 or above.
func (r *Record) failed() bool {
	return r.Status == 0 || r.Status >= 500 || r.Err != nil || r.Failure != ""
}
