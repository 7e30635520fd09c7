package console

import (
	"crypto/rand"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh/console/internal/journal"
	"github.com/sidecarless/mesh/console/internal/traffic"
	"github.com/sidecarless/mesh/upstream"
)

// A Console shows the mesh inside of a process. It is made by [New] and safe for
// concurrent use.
type Console struct {
	config  Config
	token   string // of forms that change something
	started time.Time
	traffic *traffic.Counters
	journal *journal.Journal // nil: no decisions are kept
	sources atomic.Pointer[[]Source]
	change  sync.Mutex // one change of weights at a time
	add     sync.Mutex

	streams atomic.Int32
	ended   chan struct{}
	end     sync.Once

	shared struct { // by all streams
		sync.Mutex
		*state
	}
}

// New makes a console. The error lists everything that is wrong with c.
func New(c Config) (*Console, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Title == "" {
		c.Title, _ = os.Hostname() // without one the page has none
	}
	if c.Decisions == 0 {
		c.Decisions = 256
	}
	if c.Series == 0 {
		c.Series = 2048
	}
	now := time.Now()
	k := &Console{config: c, token: rand.Text(), started: now, traffic: traffic.New(c.Series, now), ended: make(chan struct{})}
	if c.Decisions > 0 {
		k.journal = journal.New(c.Decisions)
	}
	k.sources.Store(&c.Sources)
	return k, nil
}

// Add shows one more source.
func (c *Console) Add(s Source) {
	c.add.Lock()
	defer c.add.Unlock()
	all := append(slices.Clone(*c.sources.Load()), s)
	c.sources.Store(&all)
}

// Close ends pages that stay current. Without it [http.Server.Shutdown] waits for
// them. It may be called more than once, and returns nil.
func (c *Console) Close() error {
	c.end.Do(func() { close(c.ended) })
	return nil
}

func (c *Console) all() []Source { return *c.sources.Load() }

// upstreams are those of the program and of all sources.
func (c *Console) upstreams() []*upstream.Upstream {
	all := c.config.Upstreams
	for _, s := range c.all() {
		if s.Upstreams != nil {
			all = append(slices.Clip(all), s.Upstreams()...)
		}
	}
	return all
}

// reads is what the rules of all sources choose by.
func (c *Console) reads() *Reads {
	var first *Reads
	for _, s := range c.all() {
		if s.Reads == nil {
			continue
		}
		switch r := s.Reads(); {
		case r == nil:
		case first == nil:
			first = r
		default: // several clients in one process
			first = &Reads{append(slices.Clip(first.Headers), r.Headers...), append(slices.Clip(first.Queries), r.Queries...)}
		}
	}
	return first
}

// recent is a state that streams share: it is not older than they are apart.
func (c *Console) recent() *state {
	c.shared.Lock()
	defer c.shared.Unlock()
	if s := c.shared.state; s == nil || time.Since(s.at) > tick/2 {
		c.shared.state = c.state()
	}
	return c.shared.state
}

// explain says what would become of r by the first source that can tell.
func (c *Console) explain(r *http.Request) any {
	for _, s := range c.all() {
		if s.Explain != nil {
			return s.Explain(r)
		}
	}
	return nil
}
