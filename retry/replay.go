package retry

import (
	"errors"
	"io"
	"sync"
)

// errAbandoned ends the reading of an attempt when the next one has begun.
var errAbandoned = errors.New("retry: the body is read by the next attempt")

// A replay keeps what attempts read of a caller's body, up to a limit, so that
// the next one can send it again. It never reads ahead of an attempt. The next
// attempt may begin while the one before it still waits for more of the body:
// what that one gets then is kept for its follower. The caller's body is closed
// once, when no attempt needs it any more.
type replay struct {
	source io.ReadCloser
	limit  int64

	reading sync.Mutex // held while the caller's body is read; guards kept and end
	kept    []byte
	end     error // how the caller's body ended, once it has

	state   sync.Mutex // never held while the caller's body is read or closed
	current *reader
	busy    bool // the caller's body is being read
	over    bool // more came than may be kept
	last    bool // no attempt will follow the current one
	closed  bool // the caller's body is
}

// A reader is the body of one attempt.
type reader struct {
	*replay
	at     int      // how much of what is kept it has read
	sent   *attempt // is told when all has been read; may be nil
	closed bool     // guarded by state
}

// newReplay begins to keep a body of the given length, negative if unknown.
func newReplay(source io.ReadCloser, length, limit int64) *replay {
	return &replay{source: source, limit: limit, over: length > max(0, limit)}
}

// next is the body for the next attempt, which takes the place of the one before;
// nil when it cannot be sent again.
func (p *replay) next() *reader {
	p.state.Lock()
	defer p.state.Unlock()
	if p.over && p.current != nil {
		return nil
	}
	p.current = &reader{replay: p}
	return p.current
}

// spent reports whether the body cannot be sent again.
func (p *replay) spent() bool {
	p.state.Lock()
	defer p.state.Unlock()
	return p.over
}

// finish says that no attempt will follow.
func (p *replay) finish() {
	p.state.Lock()
	p.last = true
	p.release()
}

// release unlocks state, and closes the caller's body if nobody needs it.
func (p *replay) release() {
	due := p.last && p.current.closed && !p.closed
	p.closed = p.closed || due
	busy := p.busy
	p.state.Unlock()
	switch {
	case due && busy:
		// Some bodies cannot be closed while they are read.
		go p.source.Close() //nolint:errcheck // as net/http does
	case due:
		p.source.Close() //nolint:errcheck // as net/http does
	}
}

// Read implements io.Reader.
func (b *reader) Read(buf []byte) (int, error) {
	b.reading.Lock()
	defer b.reading.Unlock()
	if b.at < len(b.kept) {
		n := copy(buf, b.kept[b.at:])
		b.at += n
		return n, nil
	}
	if b.end == nil {
		if err := b.enter(); err != nil {
			return 0, err
		}
		n, err := b.source.Read(buf)
		b.leave(buf[:n], err)
		if err == nil {
			return n, nil
		}
		if n > 0 && err == io.EOF {
			b.sent.begin()
		}
		if n > 0 || err != io.EOF {
			return n, err
		}
	}
	if b.end == io.EOF {
		b.sent.begin()
	}
	return 0, b.end
}

// enter claims the caller's body for a reading.
func (b *reader) enter() error {
	b.state.Lock()
	defer b.state.Unlock()
	if b.closed || b.replay.closed || b != b.current {
		return errAbandoned
	}
	b.busy = true
	return nil
}

// leave keeps what was read. If another attempt has begun meanwhile it needs
// that whatever the limit.
func (b *reader) leave(read []byte, err error) {
	b.state.Lock()
	defer b.state.Unlock()
	b.busy = false
	b.end = err
	stale := b != b.current
	if !stale && !b.over && int64(len(b.kept)+len(read)) > b.limit {
		b.over = true
	}
	if b.over {
		b.kept = nil
		return
	}
	b.kept = append(b.kept, read...)
	b.at = len(b.kept)
}

// Close implements io.Closer. Nothing is sent after it.
func (b *reader) Close() error {
	b.sent.begin()
	b.state.Lock()
	b.closed = true
	b.release()
	return nil
}
