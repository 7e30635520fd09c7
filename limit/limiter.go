package limit

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/sidecarless/mesh"
)

// A Limiter lets requests pass at a rate. It is made by [New] and may be used by
// many goroutines.
type Limiter struct {
	now      atomic.Pointer[settings]
	whole    *rate.Limiter // when there is no key
	allowed  atomic.Uint64 // by whole
	limited  atomic.Uint64 // by whole
	keyed    *table
	exempted atomic.Uint64

	update sync.Mutex
}

// Stats are counters since [New] and what there is now.
type Stats struct {
	Allowed   uint64 // requests that found a token
	Limited   uint64 // requests that found none, and in a dry run passed all the same
	Exempted  uint64 // requests that needed none
	Keys      int    // that have a bucket
	Forgotten uint64 // keys that had to make room for others
}

// New makes a limiter whose buckets are full. The error lists everything that is
// wrong with the Config.
func New(c Config) (*Limiter, error) {
	s, err := compile(c)
	if err != nil {
		return nil, err
	}
	l := &Limiter{whole: rate.NewLimiter(s.limit, s.Burst), keyed: newTable(s)}
	l.now.Store(s)
	return l, nil
}

// Update takes a new Config, or none of it if anything is wrong. Buckets keep
// their tokens, as far as they still hold them, and fill at the new rate from now
// on.
func (l *Limiter) Update(c Config) error {
	s, err := compile(c)
	if err != nil {
		return err
	}
	l.update.Lock()
	defer l.update.Unlock()
	now := time.Now()
	reset(l.whole, now, s)
	l.keyed.update(now, s)
	l.now.Store(s)
	return nil
}

func reset(b *rate.Limiter, now time.Time, s *settings) {
	b.SetLimitAt(now, s.limit)
	b.SetBurstAt(now, s.Burst)
}

// Allow takes a token out of the bucket of a key, if there is one; without
// [Config.Key] the key does not matter. left is how many tokens remain, wait is
// how long it is until there is another one, zero while some are left. The times
// of calls should not go backwards; those that do find the bucket as it was.
func (l *Limiter) Allow(key string, now time.Time) (left int, wait time.Duration, ok bool) {
	s := l.now.Load()
	if s.Key != nil {
		return l.keyed.take(key, now)
	}
	if left, wait, ok = take(l.whole, s.limit, now); ok {
		l.allowed.Add(1)
	} else {
		l.limited.Add(1)
	}
	return left, wait, ok
}

// take takes a token out of a bucket that fills at a limit.
func take(b *rate.Limiter, limit rate.Limit, now time.Time) (left int, wait time.Duration, ok bool) {
	ok = b.AllowN(now, 1)
	tokens := b.TokensAt(now)
	if tokens >= 1 {
		return int(tokens), 0, ok
	}
	if w := math.Ceil((1 - tokens) / float64(limit) * float64(time.Second)); w < math.MaxInt64 {
		return 0, time.Duration(w), ok
	}
	return 0, math.MaxInt64, ok
}

// Stats copies the counters.
func (l *Limiter) Stats() Stats {
	s := l.keyed.stats()
	s.Allowed += l.allowed.Load()
	s.Limited += l.limited.Load()
	s.Exempted = l.exempted.Load()
	return s
}

// admit is what a limiter says of a request: an error if it is refused. counted
// tells whether the request took a token or wanted one.
func (l *Limiter) admit(r *http.Request) (v verdict, counted bool, err error) {
	s := l.now.Load()
	if s.exempt != nil && s.exempt.Match(r) {
		l.exempted.Add(1)
		return verdict{}, false, nil
	}
	key := ""
	if s.Key != nil {
		key, _ = s.Key(r)
	}
	var ok bool
	v.settings = s
	if v.left, v.wait, ok = l.Allow(key, time.Now()); !ok && !s.DryRun {
		err = v.refusal()
	}
	return v, true, err
}

// A verdict is what is told about a request that was counted.
type verdict struct {
	*settings
	left int
	wait time.Duration
}

// refusal is the error of a request that found no token.
func (v verdict) refusal() error {
	h := http.Header{"Retry-After": {seconds(v.wait)}}
	v.tell(h)
	for name, values := range v.Header {
		name = http.CanonicalHeaderKey(name)
		h[name] = append(h[name], values...)
	}
	if v.ResourceExhausted {
		h["Grpc-Status"] = []string{"8"}
	}
	return &mesh.Error{
		Op: "limit", Flag: mesh.RateLimited, Status: v.Status, Stage: mesh.NotSent,
		Details: mesh.DetailsRateLimited, Header: h,
	}
}

// tell writes the headers of Envoy's x-ratelimit headers, of which a draft of the
// IETF was the model (draft-polli-ratelimit-headers-03).
func (v verdict) tell(h http.Header) {
	if !v.Headers {
		return
	}
	h["X-Ratelimit-Limit"] = v.burst
	h["X-Ratelimit-Remaining"] = []string{strconv.Itoa(v.left)}
	h["X-Ratelimit-Reset"] = []string{seconds(v.wait)}
}

// seconds rounds up, so that who comes back then finds a token.
func seconds(d time.Duration) string {
	n := int64(d / time.Second)
	if d%time.Second > 0 {
		n++
	}
	return strconv.FormatInt(n, 10)
}
