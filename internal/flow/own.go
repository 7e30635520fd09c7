package flow

import (
	"net/http"
)

// Own is r when it is a copy that the layers made, and may be changed, or else
// a copy. The header is still the caller's: see [OwnHeader].
func Own(r *http.Request) *http.Request {
	if owned(r) != nil {
		return r
	}
	return r.WithContext(r.Context())
}

// OwnTry is the record of a client's attempt, installed if there was none, and r
// itself if it is ours to change, or else a copy. Nobody else gets it until
// [Try.Ended]: if a layer that is not ours sends an attempt more than once at a time,
// each further one has a record of its own.
func OwnTry(r *http.Request) (*Try, *http.Request) {
	t, before := TryOf(r), uint32(busy)
	if t != nil {
		before = t.state.Or(busy)
	}
	if before&busy != 0 {
		f, own := install(r, false)
		f.First.state.Store(busy)
		return &f.First, own
	}
	if before >= settled {
		t.state.And(settled - 1) // it is sent once more
	}
	if t.own != r {
		r = r.WithContext(r.Context())
	}
	return t, r
}

// OwnHeader is [Own] for a layer that changes the header as well: the copy's
// header map may be changed, too.
func OwnHeader(r *http.Request) *http.Request {
	t := owned(r)
	if t == nil {
		r = r.WithContext(r.Context())
		r.Header = cloned(r.Header)
		return r
	}
	if t.state.Or(ownHeader)&ownHeader == 0 {
		r.Header = cloned(r.Header)
	}
	return r
}

// owned is the record whose own copy r is, or nil.
func owned(r *http.Request) *Try {
	if t := tryIn(r.Context()); t != nil && t.own == r {
		return t
	}
	return nil
}

// cloned is a copy of h that can be written even where h is nil.
func cloned(h http.Header) http.Header {
	if h == nil {
		return make(http.Header)
	}
	return h.Clone()
}
