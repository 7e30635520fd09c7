// Package rw wraps a ResponseWriter so that a layer sees what a handler answers,
// and may change it, while the handler keeps exactly the abilities that the
// server gave it: to flush, to hijack, to read from a file, to push.
//
// Wrap only when something must be seen, and hand on the original otherwise. A
// layer embeds [Writer] in its own state of the request and implements [Hooks]
// there, so that state, wrapper and hooks are one allocation:
//
//	type serving struct {
//		rw.Writer
//		// what the layer needs besides
//	}
//
//	func (s *serving) BeforeHeader(status int) int { … }
//
//	s := &serving{…}
//	next.ServeHTTP(s.Wrap(w, s), r)
//	s.Finish()
//
// Deadlines and full duplex are found by [net/http.ResponseController] through
// Unwrap and do not concern a wrapper.
package rw
