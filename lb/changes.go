package lb

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh/internal/check"
)

// A change is what SetEndpoints or Update ask for. It is checked.
type change struct {
	conf      *compiled  // nil: as it is
	endpoints []Endpoint // nil: as they are
	done      chan struct{}
	err       error // once done is closed
}

// changes collects what is to be changed. One goroutine at a time builds the next
// snapshot, of all that has come in until then: that of the caller who finds
// nobody building. So a thousand events cost as many snapshots as there is time
// for, and no goroutine waits for the sake of a health check.
type changes struct {
	mu       sync.Mutex
	queue    []*change
	health   bool // the health of hosts has changed
	building bool

	// What the last snapshot was made of belongs to whoever builds.
	conf      *compiled
	endpoints []Endpoint
	set       *hostSet

	took atomic.Int64 // nanoseconds to build it
}

// atOnce is the time in which a snapshot may be built by whoever changed the
// health of a host, which can be a request. Where the last one took longer the
// next gets a goroutine, and picks look out for themselves until that has ended.
// Small sets without tables are built at once whatever a busy machine makes of
// it.
const atOnce = time.Millisecond

// apply carries out a change and waits for it.
func (b *Balancer) apply(c *change) error {
	c.done = make(chan struct{})
	b.changes.mu.Lock()
	b.changes.queue = append(b.changes.queue, c)
	b.changes.mu.Unlock()
	b.build()
	<-c.done
	return c.err
}

// healthChanged is called when a host was ejected, restored, or changed its
// health.
func (b *Balancer) healthChanged() {
	b.changes.mu.Lock()
	b.changes.health = true
	building := b.changes.building
	b.changes.mu.Unlock()
	s := b.current.Load()
	large := s.conf.consistent != nil || len(s.set.hosts) >= crowd
	switch {
	case building: // whoever does it will see it
	case large && b.changes.took.Load() > int64(atOnce):
		go b.build()
	default:
		b.build()
	}
}

// settle waits for changes that are under way, if there are any.
func (b *Balancer) settle() bool {
	b.changes.mu.Lock()
	pending := b.changes.building || b.changes.health
	b.changes.mu.Unlock()
	if pending {
		b.apply(new(change))
	}
	return pending
}

// build makes snapshots until there is nothing to change, unless somebody does
// so already.
func (b *Balancer) build() {
	c := &b.changes
	for first := true; ; first = false {
		c.mu.Lock()
		if first && c.building {
			c.mu.Unlock()
			return
		}
		queue, health := c.queue, c.health
		c.queue, c.health = nil, false
		c.building = len(queue) > 0 || health
		c.mu.Unlock()
		if len(queue) == 0 && !health {
			return
		}
		b.carryOut(queue)
	}
}

// carryOut makes one snapshot for all changes, or if that fails one for each, so
// that those that can be made are.
func (b *Balancer) carryOut(queue []*change) {
	var sum change
	for _, c := range queue {
		if c.conf != nil {
			sum.conf = c.conf
		}
		if c.endpoints != nil {
			sum.endpoints = c.endpoints
		}
	}
	err := b.install(&sum)
	for _, c := range queue {
		if c.err = err; err != nil && len(queue) > 1 {
			c.err = b.install(c)
		}
		close(c.done)
	}
	if err != nil && b.changes.set != nil {
		b.install(new(change)) // with what it was, as the health of hosts may have changed
	}
}

// install makes a snapshot with a change and puts it in place. When it fails
// everything stays as it was.
func (b *Balancer) install(c *change) error {
	s := &b.changes
	conf, endpoints, set := s.conf, s.endpoints, s.set
	if c.conf != nil {
		conf = c.conf
	}
	if c.endpoints != nil {
		endpoints = c.endpoints
	}
	same := c.conf == nil && c.endpoints == nil
	var said []*Endpoint
	if !same {
		said = s.set.said()
		set = newHostSet(b, conf, s.set, endpoints, time.Now().UnixNano())
	}
	start := time.Now()
	next, err := newSnapshot(conf, set, b.current.Load(), same, start.UnixNano())
	s.took.Store(int64(time.Since(start)))
	if err != nil {
		if !same && s.set != nil {
			s.set.restore(said, s.conf.warmup)
		}
		l := check.List{Prefix: "lb"}
		l.Include("Algorithm", err)
		return l.Err()
	}
	before := s.set
	s.conf, s.endpoints, s.set = conf, endpoints, set
	b.current.Store(next)
	if !same {
		tellChanged(conf, before, set)
	}
	return nil
}

// tellChanged lets go of the hosts that are no longer in the set, and tells
// whoever wants to know.
func tellChanged(k *compiled, before, after *hostSet) {
	var added, removed []*Host
	for _, h := range after.hosts {
		if before.find(h.addr) == nil {
			added = append(added, h)
		}
	}
	if before != nil {
		for _, h := range before.hosts {
			if after.find(h.addr) == nil {
				h.owner.Store(nil)
				removed = append(removed, h)
			}
		}
	}
	if k.changed != nil && len(added)+len(removed) > 0 {
		k.changed(added, removed)
	}
}
