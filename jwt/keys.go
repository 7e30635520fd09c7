package jwt

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/sidecarless/mesh/internal/check"
)

// KeysConfig says how keys are fetched.
type KeysConfig struct {
	// Client fetches them; nil is one that verifies servers by the roots of the
	// system and keeps no connection.
	Client *http.Client
	// Refresh is how old keys may become before they are fetched again; zero is
	// 20 minutes, as with Istio.
	Refresh time.Duration
	// MaxBytes bounds the answer to a fetch; zero is 1 MiB.
	MaxBytes int64
	// Logger gets fetches that fail; nil is silent.
	Logger *slog.Logger
}

// Bounds of the time between fetches that fail.
const (
	retryInRequests = time.Second // by requests that cannot be judged without keys
	retryInRun      = time.Minute
)

// Keys fetches sets of keys and keeps them for the rules of any number of
// verifiers, across their updates. A set that no rule uses any more is forgotten.
//
// A set is fetched when a token first needs it, or before by [Keys.Run]. When it
// cannot be fetched the last good one stays in use; while there is none, tokens are
// refused.
type Keys struct {
	config  KeysConfig
	changed chan struct{} // has an element after a set was added

	mu   sync.Mutex
	sets map[origin]weak.Pointer[keySet]
}

// An origin is where a set of keys comes from: its URL, or that of the OpenID
// configuration that names it.
type origin struct {
	url       string
	discovery bool
}

// NewKeys reports every problem of c, with fields such as "jwt.Refresh".
func NewKeys(c KeysConfig) (*Keys, error) {
	l := check.List{Prefix: "jwt"}
	l.NotNegative("Refresh", c.Refresh)
	if c.MaxBytes < 0 {
		l.Add("MaxBytes", c.MaxBytes, "must not be negative")
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	c.Refresh, c.MaxBytes = cmp.Or(c.Refresh, 20*time.Minute), cmp.Or(c.MaxBytes, 1<<20)
	if c.Client == nil {
		c.Client = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Keys{config: c, changed: make(chan struct{}, 1), sets: map[origin]weak.Pointer[keySet]{}}, nil
}

// set is the set of an origin, which lives as long as a rule has it.
func (k *Keys) set(from origin, timeout time.Duration) *keySet {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sets[from].Value()
	if s == nil {
		s = &keySet{config: &k.config, from: from, turn: make(chan struct{}, 1)}
		k.sets[from] = weak.Make(s)
		select {
		case k.changed <- struct{}{}:
		default:
		}
	}
	s.timeout.Store(int64(timeout))
	return s
}

// live are the sets that rules have.
func (k *Keys) live() []*keySet {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []*keySet
	for from, w := range k.sets {
		if s := w.Value(); s != nil {
			all = append(all, s)
		} else {
			delete(k.sets, from)
		}
	}
	return all
}

// Run fetches sets that are new, and those that are old again, until ctx ends.
func (k *Keys) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		next := time.Now().Add(k.config.Refresh)
		for _, s := range k.live() {
			if due := s.due(retryInRun); time.Until(due) <= 0 {
				s.fetch(ctx) //nolint:errcheck // it has logged it, and comes again
			}
			if due := s.due(retryInRun); due.Before(next) {
				next = due
			}
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-k.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
	return context.Cause(ctx)
}

// A keySet is keys that are fetched.
type keySet struct {
	config  *KeysConfig
	from    origin
	timeout atomic.Int64
	now     atomic.Pointer[fetched] // nil before the first try

	turn chan struct{} // is full while somebody fetches
}

// fetched is what the last try brought, on top of the last good one.
type fetched struct {
	keys  []jose.JSONWebKey // of the last good fetch; nil if there was none
	since time.Time         // of that
	tried time.Time
	err   error // of the last try
}

// due is when the set is to be fetched again, if failures are repeated after
// retry.
func (s *keySet) due(retry time.Duration) time.Time {
	f := s.now.Load()
	switch {
	case f == nil:
		return time.Time{}
	case f.err != nil:
		return f.tried.Add(retry)
	}
	return f.since.Add(s.config.Refresh)
}

// keys implements keySource. It fetches the set if there is none, or one that is so
// old that nobody seems to run [Keys.Run].
func (s *keySet) keys(ctx context.Context) ([]jose.JSONWebKey, error) {
	f := s.now.Load()
	switch {
	case f == nil || f.keys == nil:
		if f != nil && time.Since(f.tried) < retryInRequests {
			return nil, f.err
		}
		return s.fetch(ctx)
	case time.Since(f.since) > 2*s.config.Refresh && time.Since(f.tried) > retryInRun:
		if keys, err := s.fetch(ctx); err == nil {
			return keys, nil
		}
	}
	return f.keys, nil
}

// fetch fetches the set, or waits for somebody who does.
func (s *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	before := s.now.Load()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if f := s.now.Load(); f != before { // while we waited
		return f.keys, f.err
	}
	next := fetched{}
	if before != nil {
		next = *before
	}
	keys, err := s.download(ctx)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // which says nothing about the set
	}
	next.tried, next.err = time.Now(), err
	if err == nil {
		next.keys, next.since = keys, next.tried
	} else {
		s.config.Logger.Error("jwt: keys cannot be fetched, the last good ones stay in use", "url", s.from.url, "have", len(next.keys), "err", err)
	}
	s.now.Store(&next)
	return next.keys, err
}

func (s *keySet) download(ctx context.Context) ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(s.timeout.Load()))
	defer cancel()
	url := s.from.url
	if s.from.discovery {
		text, err := s.get(ctx, url)
		if err != nil {
			return nil, err
		}
		var configuration struct {
			KeysURL string `json:"jwks_uri"`
		}
		if err := json.Unmarshal(text, &configuration); err != nil || configuration.KeysURL == "" {
			return nil, fmt.Errorf("jwt: %s names no jwks_uri", url)
		}
		url = configuration.KeysURL
	}
	text, err := s.get(ctx, url)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeySet(text)
	if err != nil {
		return nil, fmt.Errorf("jwt: %s %w", url, err)
	}
	return keys, nil
}

func (s *keySet) get(ctx context.Context, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := s.config.Client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, fmt.Errorf("jwt: %s answered %s", url, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, s.config.MaxBytes+1))
	if err == nil && int64(len(text)) > s.config.MaxBytes {
		err = errors.New("jwt: " + url + " answered with more than may be read")
	}
	return text, err
}
