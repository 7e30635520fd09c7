package retry

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// What of an answer that nobody wants is read, so that its connection can be
// used again, before it is closed.
const (
	drainBytes = 64 << 10
	drainTime  = 50 * time.Millisecond

	// drainPatience is how long a retry that is due waits while nothing comes.
	drainPatience = 5 * time.Millisecond
)

// A drain reads the rest of an answer while the wait before the next attempt
// runs.
type drain struct {
	body  io.ReadCloser
	close sync.Once
	read  atomic.Int64
	done  chan struct{}
}

// discard begins to drain the answer; nil if there is nothing to read.
func discard(res *http.Response) *drain {
	if res == nil || res.Body == nil {
		return nil
	}
	if res.Body == http.NoBody {
		res.Body.Close() //nolint:errcheck // nobody wants it
		return nil
	}
	d := &drain{body: res.Body, done: make(chan struct{})}
	go d.run()
	return d
}

func (d *drain) run() {
	defer close(d.done)
	end := time.AfterFunc(drainTime, d.end)
	defer end.Stop()
	defer d.end()
	buf := make([]byte, 4<<10)
	for d.read.Load() < drainBytes {
		n, err := d.body.Read(buf)
		d.read.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// end closes the answer, which also ends a read that waits.
func (d *drain) end() { d.close.Do(func() { d.body.Close() }) }

// settle waits until the answer has been drained, but not for one that does not
// come.
func (d *drain) settle(canceled <-chan struct{}) {
	if d == nil {
		return
	}
	ticks := time.NewTicker(drainPatience)
	defer ticks.Stop()
	for before := d.read.Load(); ; before = d.read.Load() {
		select {
		case <-d.done:
			return
		case <-canceled:
			return
		case <-ticks.C:
			if d.read.Load() == before {
				return
			}
		}
	}
}
