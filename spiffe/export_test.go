package spiffe

import "time"

// Hasten makes pauses after errors short.
func (s *Source) Hasten() *Source { s.pause = time.Millisecond; return s }
