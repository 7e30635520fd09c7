package upstream

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/breaker/outlier"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/retry"
)

// An Upstream sends requests to one destination. It is made by [New], is an
// [http.RoundTripper], and may be used by many goroutines while it is updated.
type Upstream struct {
	name     string
	send     atomic.Pointer[sender]
	balancer *lb.Balancer
	breaker  *breaker.Breaker
	limits   *breaker.Limits
	detector *outlier.Detector
	retries  *retry.Policy

	mu      sync.Mutex // one change at a time; guards what follows
	config  Config
	closed  bool
	old     sync.WaitGroup // pools that are being drained
	ending  context.Context
	end     context.CancelFunc
	changed chan struct{} // told when there are other hosts to check
}

// A sender is the chain of layers, and the connections at its end.
type sender struct {
	chain http.RoundTripper
	last  http.RoundTripper // the pool, or a Transport
	pool  *pool             // nil when a Transport takes its place
}

// New makes an upstream. The error lists every problem, with fields such as
// "upstream.Retry.PerTry".
func New(c Config) (*Upstream, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	u := &Upstream{name: c.Name, changed: make(chan struct{}, 1)}
	u.ending, u.end = context.WithCancel(context.Background())
	// The configurations are known to be good.
	u.retries, _ = retry.New(c.Retry)
	u.breaker, _ = breaker.New(c.circuit())
	u.limits, _ = breaker.NewLimits(c.Breaker.Limits)
	u.detector, _ = outlier.New(c.ejection())
	u.balancer, _ = lb.New(u.balance(c))
	u.config = c
	u.send.Store(u.sender(c, nil))
	return u, nil
}

// validate reports every problem of c and of its parts.
func (c *Config) validate() error {
	l := check.List{Prefix: "upstream"}
	c.check(&l)
	_, err := retry.New(c.Retry)
	l.Include("Retry", err)
	_, err = breaker.New(c.Breaker)
	l.Include("Breaker", err)
	_, err = outlier.New(c.ejection())
	l.Include("Ejection", err)
	balance := c.Balance
	balance.Endpoints = c.Endpoints
	_, err = lb.New(balance)
	l.Include("Balance", err)
	return l.Err()
}

// circuit is the breaker's part that is a layer: limits are kept where the
// connections are.
func (c *Config) circuit() breaker.Config {
	b := c.Breaker
	if c.Transport == nil {
		b.Limits = breaker.LimitsConfig{}
	}
	if b.Name == "" {
		b.Name = c.Name
	}
	return b
}

// balance is the balancer's configuration with what belongs to the upstream.
func (u *Upstream) balance(c Config) lb.Config {
	b := c.Balance
	b.Name, b.Endpoints = c.Name, append([]lb.Endpoint{}, c.Endpoints...)
	if !c.NoEjection {
		b.Observers = append(slices.Clip(b.Observers), u.detector)
	}
	given := b.Changed
	b.Changed = func(added, removed []*lb.Host) {
		u.detector.Changed(added, removed)
		u.hostsChanged(len(removed) > 0)
		if given != nil {
			given(added, removed)
		}
	}
	return b
}

// hostsChanged lets go of the connections to addresses that are gone, and checks
// the health of those that came.
func (u *Upstream) hostsChanged(removed bool) {
	if s := u.send.Load(); removed && s != nil && s.pool != nil {
		s.pool.retain(func(addr string) bool { return u.balancer.Host(addr) != nil })
	}
	u.tellRun()
}

// tellRun wakes up [Upstream.Run] to look at what has changed.
func (u *Upstream) tellRun() {
	select {
	case u.changed <- struct{}{}:
	default:
	}
}

// sender makes the chain of layers. It keeps the pool of the one before where its
// configuration stays.
func (u *Upstream) sender(c Config, keep *pool) *sender {
	s := &sender{pool: keep, last: c.Transport}
	if s.last == nil {
		if s.pool == nil {
			s.pool = newPool(c.Connections, newDialer(c.Connections, c.TLS, c.Dial), u.limits)
		}
		s.last = s.pool
	}
	layers := []func(http.RoundTripper) http.RoundTripper{nil, nil, u.balancer.Transport, nil, c.Attempt}
	if !c.NoRetry && c.Retry.Attempts >= 0 {
		layers[0] = u.retries.Transport
	}
	if guards(c.circuit()) {
		layers[1] = u.breaker.Transport
	}
	if c.Health.Interval > 0 {
		layers[3] = heedLeaving
	}
	s.chain = mesh.Chain(layers...)(s.last)
	return s
}

// guards reports whether a breaker has anything to do.
func guards(c breaker.Config) bool {
	t := c.Trip
	return t.Consecutive > 0 || t.Ratio > 0 || t.SlowRatio > 0 || c.Limits != (breaker.LimitsConfig{}) || c.Adaptive != (breaker.Adaptive{})
}

// RoundTrip implements http.RoundTripper.
func (u *Upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	t, r := flow.EnsureTry(r)
	t.Choice().Upstream = u.name
	return u.send.Load().chain.RoundTrip(r)
}

// Update replaces the configuration, or does nothing if anything is wrong with it.
// Counters, ejections and, where they are configured as before, connections stay.
// Requests under way end on what they began with. The name stays.
func (u *Upstream) Update(c Config) error {
	if err := c.validate(); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return closedError()
	}
	err := errors.Join(
		u.retries.Update(c.Retry), u.breaker.Update(c.circuit()), u.limits.Update(c.Breaker.Limits),
		u.detector.Update(c.ejection()), u.balancer.Update(u.balance(c)))
	if err != nil {
		return err // cannot be: all was checked
	}
	before := u.send.Load()
	var keep *pool
	if sameConnections(u.config, c) {
		keep = before.pool
		keep.dialer.setDial(c.Dial)
	}
	u.config = c
	now := u.sender(c, keep)
	u.send.Store(now)
	u.tellRun()
	if before.pool != nil && keep == nil {
		before.pool.next.Store(&now.last)
		if now.pool != nil {
			now.pool.succeed(before.pool)
		}
		u.old.Go(func() { before.pool.Shutdown(u.ending) })
	}
	return nil
}

// sameConnections reports whether connections made for a can go on being used for
// b. A new Dial is for new ones.
func sameConnections(a, b Config) bool {
	return a.Connections == b.Connections && a.TLS == b.TLS && a.Transport == nil && b.Transport == nil
}

// SetEndpoints replaces the endpoints, all or nothing. Requests under way to those
// that are gone may end.
func (u *Upstream) SetEndpoints(endpoints []lb.Endpoint) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.balancer.SetEndpoints(endpoints); err != nil {
		return err
	}
	u.config.Endpoints = endpoints
	return nil
}

// Shutdown refuses further requests, waits until those under way have ended or ctx
// ends, and closes everything. For requests sent by a [Config.Transport] it does
// not wait.
func (u *Upstream) Shutdown(ctx context.Context) error {
	u.refuse()
	var err error
	if s := u.send.Load(); s.pool != nil {
		err = s.pool.Shutdown(ctx)
	}
	return errors.Join(err, u.Close())
}

// Close refuses further requests and ends all connections, those in use included.
// It may be called more than once.
func (u *Upstream) Close() error {
	u.end()
	u.refuse()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.old.Wait()
	err := u.detector.Close()
	if s := u.send.Load(); s.pool != nil {
		err = errors.Join(err, s.pool.Close())
	}
	return err
}

// refuse lets no further request in.
func (u *Upstream) refuse() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	u.send.Store(&sender{chain: refusing{}, pool: u.send.Load().pool})
}

// refusing is an upstream that was closed.
type refusing struct{}

// RoundTrip implements http.RoundTripper.
func (refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body.Close()
	}
	return nil, closedError()
}

// Stats is what an upstream has done.
type Stats struct {
	Retries     retry.Stats         // of requests, and of attempts beyond the first
	Breaker     breaker.Stats       // the circuit
	Limits      breaker.LimitsStats // what is in use of them, and what they refused
	Ejections   outlier.Stats       // of endpoints
	Connections ConnectionStats     // of all endpoints together
}

// Stats copies the counters.
func (u *Upstream) Stats() Stats {
	s := Stats{
		Retries: u.retries.Stats(), Breaker: u.breaker.Stats(), Limits: u.limits.Stats(), Ejections: u.detector.Stats(),
	}
	if p := u.send.Load().pool; p != nil {
		s.Connections = p.stats()
	}
	return s
}

// Name is the destination's.
func (u *Upstream) Name() string { return u.name }

// Service is what the destination is known as.
func (u *Upstream) Service() Service {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.config.Service
}

// RetryBudget is that of [Config.Retry], or nil. Where NoRetry leaves repeating to
// others it is the one that they share, if they say so.
func (u *Upstream) RetryBudget() *retry.Budget {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.config.Retry.Budget
}

// Balancer chooses the endpoints, to look at them.
func (u *Upstream) Balancer() *lb.Balancer { return u.balancer }

// Detector ejects endpoints, to look at its journal.
func (u *Upstream) Detector() *outlier.Detector { return u.detector }

// Breaker holds the circuit, to look at its changes.
func (u *Upstream) Breaker() *breaker.Breaker { return u.breaker }

// Limits are those in force. Zero is no limit.
func (u *Upstream) Limits() breaker.LimitsConfig {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.config.Breaker.Limits
}
