package mirror

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/sidecarless/mesh"
)

// A Mirror copies requests. It may be used by many goroutines at once. A copy
// runs in a goroutine of its own, which ends with it.
type Mirror struct {
	plan   atomic.Pointer[plan]
	life   context.Context // ends with Close
	end    context.CancelFunc
	counts struct {
		sent, failed, dropped, tooLarge, unread atomic.Uint64
		compared, different, unclear            atomic.Uint64
	}

	mu      sync.Mutex
	places  int           // taken, by copies and by bodies that are still read
	running int           // copies under way
	closed  bool          // no further copies
	idle    chan struct{} // closed when the last copy has ended after closed; nil before
}

// Stats count what has happened since the Mirror was made.
type Stats struct {
	Sent     uint64 // copies that went out
	Failed   uint64 // of these, those that got no answer
	Dropped  uint64 // copies not made because MaxCopies were under way, or after Shutdown
	TooLarge uint64 // copies not made because of MaxBody
	Unread   uint64 // copies not made because the body was not read to its end
	Running  int    // copies under way

	Compared  uint64 // pairs of answers
	Different uint64 // of these, those that were not equal
	Unclear   uint64 // pairs that could not be compared: an answer is missing, too long or was not read
}

// New compiles a configuration. The error lists all that is wrong with it.
func New(c Config) (*Mirror, error) {
	m := new(Mirror)
	m.life, m.end = context.WithCancel(context.Background())
	return m, m.Update(c)
}

// Update replaces the configuration, or returns why not. Copies under way end as
// they began.
func (m *Mirror) Update(c Config) error {
	p, err := compile(c)
	if err != nil {
		return err
	}
	m.plan.Store(p)
	return nil
}

// Stats are the counters as they stand.
func (m *Mirror) Stats() Stats {
	m.mu.Lock()
	running := m.running
	m.mu.Unlock()
	c := &m.counts
	return Stats{
		Sent: c.sent.Load(), Failed: c.failed.Load(), Dropped: c.dropped.Load(),
		TooLarge: c.tooLarge.Load(), Unread: c.unread.Load(), Running: running,
		Compared: c.compared.Load(), Different: c.different.Load(), Unclear: c.unclear.Load(),
	}
}

// Shutdown makes no further copies and waits for those under way, at the longest
// until ctx ends, whose cause it returns then. Requests still pass.
func (m *Mirror) Shutdown(ctx context.Context) error {
	select {
	case <-m.stop():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close makes no further copies, cancels those under way and waits until they
// have ended. It may be called more than once, and after Shutdown.
func (m *Mirror) Close() error {
	idle := m.stop()
	m.end()
	<-idle
	return nil
}

// stop makes no further copies; the channel is closed when none is under way.
func (m *Mirror) stop() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		m.idle = make(chan struct{})
		if m.running == 0 {
			close(m.idle)
		}
	}
	return m.idle
}

// sample draws whether a request is copied, and takes a place for the copy if so.
func (m *Mirror) sample(p *plan, r *http.Request) bool {
	if p.Share == 0 {
		return false
	}
	if p.Share < mesh.Always {
		draw := rand.Uint64
		if p.Rand != nil {
			draw = p.Rand
		}
		if !p.Share.Hit(draw()) {
			return false
		}
	}
	if r.Method == http.MethodConnect || r.Header["Upgrade"] != nil {
		return false // it is the beginning of a conversation
	}
	if hasBody(r) && (p.MaxBody < 0 || r.ContentLength > p.MaxBody) {
		m.counts.tooLarge.Add(1)
		return false
	}
	return m.take(p.MaxCopies)
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// take takes one of the places, if there is one left.
func (m *Mirror) take(most int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.places >= most {
		m.counts.dropped.Add(1)
		return false
	}
	m.places++
	return true
}

// free gives a place back of which no copy was made.
func (m *Mirror) free() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.places--
}

// begin starts a copy in the place that was taken for it.
func (m *Mirror) begin(c *replica) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed { // meanwhile
		m.places--
		m.counts.dropped.Add(1)
		return
	}
	m.running++
	go func() {
		defer m.done()
		c.send()
	}()
}

func (m *Mirror) done() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.places--
	if m.running--; m.running == 0 && m.closed {
		close(m.idle)
	}
}
