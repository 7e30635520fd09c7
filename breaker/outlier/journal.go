package outlier

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/sidecarless/mesh/lb"
)

// journalSize is how many entries are kept.
const journalSize = 256

// A Kind says what an [Ejection] in the journal tells.
type Kind uint8

const (
	Ejected    Kind = iota // the host was taken out of use
	Returned               // it came back
	Overflowed             // it would have been ejected, but too many are; told once until something else happens to it
	Detected               // it would have been ejected, but for DryRun; told once as well
)

// String is the kind as a word.
func (k Kind) String() string {
	switch k {
	case Ejected:
		return "ejected"
	case Returned:
		return "returned"
	case Overflowed:
		return "not ejected: too many are"
	case Detected:
		return "would be ejected"
	}
	return "unknown"
}

// An Ejection tells what happened to a host and why.
type Ejection struct {
	Kind   Kind
	Host   *lb.Host
	Reason Reason
	Detail string    // the numbers that led to it
	Since  time.Time // when it was ejected
	Until  time.Time // when it may return, or did; it returns with the first interval that ends then
	Times  int       // which ejection of the host it is; 1 is the first
}

// journal is a ring of the last entries.
type journal struct {
	entries []Ejection
	next    int
}

func (j *journal) add(e Ejection) {
	if len(j.entries) < journalSize {
		j.entries = append(j.entries, e)
		return
	}
	j.entries[j.next] = e
	j.next = (j.next + 1) % journalSize
}

// Journal yields what happened last, the oldest first: ejections, returns, and
// ejections that were not carried out.
func (d *Detector) Journal() iter.Seq[Ejection] {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Values(append(slices.Clone(d.journal.entries[d.journal.next:]), d.journal.entries[:d.journal.next]...))
}

// Ejections yields the hosts that are out now.
func (d *Detector) Ejections() iter.Seq[Ejection] {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []Ejection
	for _, w := range d.hosts {
		if w.ejected {
			all = append(all, Ejection{
				Host: w.host, Reason: w.reason, Detail: w.detail, Since: w.since, Until: w.since.Add(w.lasts), Times: w.times,
			})
		}
	}
	slices.SortFunc(all, func(a, b Ejection) int { return a.Since.Compare(b.Since) })
	return slices.Values(all)
}

// Stats counts what a Detector has done.
type Stats struct {
	Ejected  int    // hosts that are out now
	Detected uint64 // times that a host was found out
	Enforced uint64 // of these, times that it was ejected
	Overflow uint64 // of these, times that too many were out
}

// Stats are the counts since the start.
func (d *Detector) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Stats{int(d.ejected.Load()), d.detected, d.enforced, d.overflow}
}

// A Count is how often hosts were found out for one [Reason].
type Count struct {
	Detected uint64 // times that a host was found out
	Enforced uint64 // of these, times that it was ejected
}

// Counts are the counts since the start for each reason that there was.
func (d *Detector) Counts() map[Reason]Count {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.counts)
}
