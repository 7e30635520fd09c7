package forward

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// An upload is the body of an HTTP/1.1 request that is being received. An answer
// that begins before the body has ended closes the connection when it is over, as
// Envoy's does: nobody waits for the rest, and net/http must not look for another
// request behind a body that is still being read.
type upload struct {
	body    io.ReadCloser
	control *http.ResponseController
	ended   atomic.Bool
	closed  atomic.Bool

	mu   sync.Mutex // held while body is read
	left int64      // of its length; negative if that is not known
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	return u.read(p)
}

func (u *upload) read(p []byte) (int, error) {
	n, err := u.body.Read(p)
	if u.left > 0 {
		u.left -= int64(n)
	}
	if err == io.EOF || u.left == 0 {
		u.ended.Store(true)
	}
	return n, err
}

// Close implements io.Closer. It does not wait for a Read. The server closes its
// body itself when the request is over.
func (u *upload) Close() error {
	u.closed.Store(true)
	return nil
}

// maxDrain and drainFor bound what is read of a body that nobody wants, so that
// the connection can serve another request.
const (
	maxDrain = 256 << 10
	drainFor = 100 * time.Millisecond
)

// drain reads the rest of a body that is short and reports whether it has ended.
// One that the caller holds back until it is asked for is left where it is.
func (u *upload) drain(h http.Header) bool {
	if u.ended.Load() || h.Get("Expect") != "" || !u.mu.TryLock() {
		return u.ended.Load()
	}
	defer u.mu.Unlock()
	if u.left < 0 || u.left > maxDrain || u.control.SetReadDeadline(time.Now().Add(drainFor)) != nil {
		return false
	}
	var buffer [4 << 10]byte
	for !u.ended.Load() {
		if _, err := u.read(buffer[:]); err != nil {
			break
		}
	}
	return u.control.SetReadDeadline(time.Time{}) == nil && u.ended.Load()
}

// leave ends the request: nobody may read any more. Where its body has not ended the connection is about to
// be closed, and the server shall not wait for long for what it does not need.
func (u *upload) leave() {
	u.Close()
	if !u.ended.Load() {
		u.control.SetReadDeadline(time.Now().Add(lingerFor)) //nolint:errcheck // it waits then
	}
}
