package outlier

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/lb"
)

// A Detector ejects hosts and brings them back. It is made by [New], is an
// [lb.Observer], and may be used by many goroutines while it is updated. While
// hosts are ejected it holds a timer for the next interval, which [Detector.Close]
// stops; it has no goroutine.
type Detector struct {
	now     atomic.Pointer[Config]
	ejected atomic.Int64
	due     atomic.Int64 // when the interval ends, in Unix nanoseconds

	mu       sync.Mutex
	hosts    map[*lb.Host]*watched
	lastTick time.Time // intervals are counted from the start
	timer    *time.Timer
	closed   bool
	dirty    []*watched // hosts that do not know yet whether they are ejected
	news     bool       // there is one more than when mu was taken
	journal  journal
	detected uint64
	enforced uint64
	overflow uint64
	counts   map[Reason]Count

	told  time.Time   // when hosts were told last
	merge *time.Timer // until they are told again, with Merge; nil when none waits

	// Hosts are told one after the other, and not under mu: telling them makes the
	// balancer work, which may call Changed.
	telling sync.Mutex
}

// unlock releases mu and tells hosts what was decided about them, or leaves that
// to a timer.
func (d *Detector) unlock() {
	if !d.news || d.closed {
		d.mu.Unlock()
		return
	}
	d.news = false
	now, merge := time.Now(), d.now.Load().Merge
	if merge > 0 && now.Sub(d.told) <= merge && !d.told.IsZero() {
		if d.merge == nil {
			d.merge = time.AfterFunc(merge, d.tellMerged)
		}
		d.mu.Unlock()
		return
	}
	d.tell(now)
}

// tellMerged tells what has been decided while nothing was told.
func (d *Detector) tellMerged() {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return
	}
	d.tell(time.Now())
}

// tell tells hosts what was decided about them. It releases mu.
func (d *Detector) tell(now time.Time) {
	if d.merge != nil {
		d.merge.Stop()
		d.merge = nil
	}
	dirty := d.dirty
	d.dirty, d.told = nil, now
	d.mu.Unlock()
	d.telling.Lock()
	defer d.telling.Unlock()
	for _, w := range dirty {
		d.mu.Lock()
		out := w.ejected // it may have been decided anew
		d.mu.Unlock()
		if out {
			w.host.Eject()
		} else {
			w.host.Restore()
		}
	}
}

// New reports every problem of c, with fields such as "outlier.Interval".
func New(c Config) (*Detector, error) {
	d := &Detector{hosts: map[*lb.Host]*watched{}, counts: map[Reason]Count{}, lastTick: time.Now()}
	if err := d.Update(c); err != nil {
		return nil, err
	}
	return d, nil
}

// Update replaces the configuration. Counts, ejections and their times are kept.
// With an error nothing has changed.
func (d *Detector) Update(c Config) error {
	full, err := c.withDefaults()
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now.Store(&full)
	d.due.Store(d.lastTick.Add(full.Interval).UnixNano())
	d.arm(time.Now())
	return nil
}

// Changed is told which hosts come and go, as [lb.Config] has it. Hosts that stay
// keep what is known of them.
func (d *Detector) Changed(added, removed []*lb.Host) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range added {
		d.watch(h)
	}
	for _, h := range removed {
		if w := d.hosts[h]; w != nil {
			if w.ejected {
				d.ejected.Add(-1)
			}
			delete(d.hosts, h)
		}
	}
}

// watch is what is known of a host.
func (d *Detector) watch(h *lb.Host) *watched {
	w := d.hosts[h]
	if w == nil {
		w = h.Attach(d, &watched{host: h}).(*watched)
		d.hosts[h] = w
	}
	return w
}

// Observe takes in how an attempt ended. It implements [lb.Observer].
func (d *Detector) Observe(h *lb.Host, o mesh.Outcome) {
	if o.Kind == mesh.Neutral || o.Kind == mesh.Local {
		return
	}
	w, _ := h.Attached(d).(*watched)
	if w == nil {
		d.mu.Lock()
		w = d.watch(h)
		d.mu.Unlock()
	}
	c := d.now.Load()
	why := w.count(c, o)
	switch {
	case why != "":
		d.suspect(w, why)
	case c.rates():
		d.catchUp()
	}
}

// IgnoresLatency says that a Detector need not be told how long attempts took.
func (d *Detector) IgnoresLatency() {}

// catchUp runs the intervals that have ended, so that rates are judged over one
// each.
func (d *Detector) catchUp() {
	now := time.Now()
	if now.UnixNano() < d.due.Load() {
		return
	}
	d.mu.Lock()
	defer d.unlock()
	d.ticks(now)
}

// suspect ejects a host that has failed too often in a row, if that may be.
func (d *Detector) suspect(w *watched, why Reason) {
	d.mu.Lock()
	defer d.unlock()
	now := time.Now()
	d.ticks(now)
	c := d.now.Load()
	needed := map[Reason]int{
		Consecutive5xx: c.Consecutive5xx, ConsecutiveGateway: c.ConsecutiveGateway, ConsecutiveLocal: c.ConsecutiveLocal,
	}[why]
	d.eject(w, now, why, fmt.Sprintf("%d in a row", needed))
}

// eject takes a host out of use if the share of ejected ones allows. The mutex is
// held.
func (d *Detector) eject(w *watched, now time.Time, why Reason, numbers string) {
	if w.ejected || d.hosts[w.host] != w {
		return
	}
	c := d.now.Load()
	d.detected++
	count := d.counts[why]
	count.Detected++
	d.counts[why] = count
	entry := Ejection{Host: w.host, Reason: why, Detail: numbers, Since: now, Times: w.times + 1}
	if !c.allows(int(d.ejected.Load()), len(d.hosts)) {
		d.overflow++
		entry.Kind = Overflowed
		d.spare(w, entry)
		return
	}
	if c.DryRun {
		entry.Kind = Detected
		d.spare(w, entry)
		return
	}
	w.ejected, w.since, w.times = true, now, w.times+1
	w.reason, w.detail, w.spared = why, numbers, ""
	if time.Duration(w.multiplier)*c.BaseEjection < c.MaxEjection+c.BaseEjection {
		w.multiplier++
	}
	w.lasts = min(time.Duration(w.multiplier)*c.BaseEjection, c.MaxEjection)
	if c.Jitter > 0 {
		w.lasts += time.Duration(c.Rand() % uint64(c.Jitter+1))
	}
	d.enforced++
	count.Enforced++
	d.counts[why] = count
	d.ejected.Add(1)
	entry.Until = now.Add(w.lasts)
	d.journal.add(entry)
	d.dirty, d.news = append(d.dirty, w), true
	d.arm(now)
}

// spare notes that a host stays although it was found out. It is told once: a
// host that goes on failing must not push everything else out of the journal.
func (d *Detector) spare(w *watched, entry Ejection) {
	if w.spared != entry.Reason {
		w.spared = entry.Reason
		d.journal.add(entry)
	}
}

// Restore ends a host's ejection before its time: a health check has found it
// well, say.
func (d *Detector) Restore(h *lb.Host) {
	d.mu.Lock()
	defer d.unlock()
	if w := d.hosts[h]; w != nil && w.ejected {
		d.restore(w, time.Now())
	}
}

// restore puts a host back into use. The mutex is held.
func (d *Detector) restore(w *watched, at time.Time) {
	w.ejected, w.returned, w.spared = false, at, ""
	w.reset()
	d.ejected.Add(-1)
	d.journal.add(Ejection{
		Kind: Returned, Host: w.host, Reason: w.reason, Detail: w.detail, Since: w.since, Until: at, Times: w.times,
	})
	d.dirty, d.news = append(d.dirty, w), true
}

// arm sets the timer for the end of the interval while hosts are out. The mutex
// is held.
func (d *Detector) arm(now time.Time) {
	if d.closed || d.ejected.Load() == 0 {
		return
	}
	wait := d.lastTick.Add(d.now.Load().Interval).Sub(now)
	if d.timer == nil {
		d.timer = time.AfterFunc(wait, func() { d.Sweep(time.Now()) })
		return
	}
	d.timer.Reset(wait)
}

// Sweep does what is due at a time: it ends intervals and brings hosts back. It is
// done without a call as well, a little later at times.
func (d *Detector) Sweep(now time.Time) {
	d.mu.Lock()
	defer d.unlock()
	if d.closed { // while the timer's call waited
		return
	}
	d.ticks(now)
	d.arm(now)
}

// Close stops the timer. Hosts that are ejected stay so.
func (d *Detector) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for _, t := range []*time.Timer{d.timer, d.merge} {
		if t != nil {
			t.Stop()
		}
	}
	return nil
}
