package gatewayapi

import (
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/split"
)

// How a session is carried, and how long its cookie lasts.
const (
	sessionByCookie   = "Cookie"
	sessionByHeader   = "Header"
	lifetimeSession   = "Session"
	lifetimePermanent = "Permanent"
)

// cookie is the configuration of the cookie in either shape that the API has had.
func (s *sessionPersistence) cookie() sessionCookie {
	switch {
	case s.Cookie != nil:
		return *s.Cookie
	case s.CookieConfig != nil:
		return *s.CookieConfig
	}
	return sessionCookie{}
}

// name is that of the cookie or header, empty for one of our choice.
func (s *sessionPersistence) name() string {
	switch {
	case or(s.Type, sessionByCookie) == sessionByHeader && s.Header != nil && s.Header.Name != nil:
		return *s.Header.Name
	case s.cookie().Name != nil:
		return *s.cookie().Name
	}
	return or(s.SessionName, "")
}

// A session keeps clients at the backend and the endpoint that they met first,
// whatever the weights become: both stand, as hashes, in a token that the client
// sends back. A token of another rule, of a backend or an endpoint that is gone, or
// of too long ago counts as none.
type session struct {
	rule     string // what tells the tokens of rules apart
	read     match.Key
	header   string      // by which the token is sent back, or else
	cookie   http.Cookie // the model of its cookie
	lasts    time.Duration
	splitter *split.Splitter[http.RoundTripper]
	branches map[uint64]http.RoundTripper // by hash
	rand     func() uint64
}

func newSession(c *sessionPersistence, at site, r *rule, branches []split.ClientBranch, draw func() uint64) (http.RoundTripper, error) {
	splitter, err := split.New(branches...)
	if err != nil {
		return nil, err
	}
	s := &session{
		rule: at.route.kind + "/" + at.route.id() + "/" + r.id, lasts: durationOf(c.AbsoluteTimeout),
		splitter: splitter, branches: map[uint64]http.RoundTripper{}, rand: draw,
	}
	if draw == nil {
		s.rand = rand.Uint64
	}
	for _, b := range branches {
		s.branches[s.hash(b.Name)] = b.Value
	}
	name := c.name()
	if name == "" {
		name = "mesh-session-" + hex(s.hash("")) // rules do not share sessions
	}
	if or(c.Type, sessionByCookie) == sessionByHeader {
		s.header, s.read = http.CanonicalHeaderKey(name), match.HeaderKey(name)
		return s, nil
	}
	s.cookie = http.Cookie{Name: name, Path: or(c.cookie().Path, "/"), HttpOnly: true}
	if or(c.cookie().LifetimeType, lifetimeSession) == lifetimePermanent {
		s.cookie.MaxAge = int(s.lasts / time.Second)
	}
	s.read = match.CookieKey(name)
	return s, nil
}

// A token is what a client sends back.
type token struct {
	branch, endpoint uint64
	since            int64 // Unix seconds
}

func (t token) String() string {
	return hex(t.branch) + hex(t.endpoint) + strconv.FormatInt(t.since, 16)
}

// parseToken reads a token; ok is false for anything else.
func parseToken(s string) (t token, ok bool) {
	if len(s) < 33 || len(s) > 48 {
		return t, false
	}
	var err1, err2, err3 error
	t.branch, err1 = strconv.ParseUint(s[:16], 16, 64)
	t.endpoint, err2 = strconv.ParseUint(s[16:32], 16, 64)
	t.since, err3 = strconv.ParseInt(s[32:], 16, 64)
	return t, err1 == nil && err2 == nil && err3 == nil
}

// hex is n as 16 digits.
func hex(n uint64) string {
	const zeros = "0000000000000000"
	s := strconv.FormatUint(n, 16)
	return zeros[len(s):] + s
}

// RoundTrip implements http.RoundTripper.
func (s *session) RoundTrip(r *http.Request) (*http.Response, error) {
	f, r := flow.Ensure(r)
	text, _ := s.read(r)
	t, known := parseToken(text)
	to := s.branches[t.branch]
	now := f.Start.Unix()
	if !known || to == nil || s.lasts > 0 && (t.since > now || now-t.since >= int64(s.lasts/time.Second)) {
		b := s.splitter.Pick(s.rand())
		t, known, to = token{branch: s.hash(b.Name), since: now}, false, b.Value
	}
	if known {
		m := f.Tell()
		m.Hash, m.Hashed, m.HashKnown = t.endpoint, true, true
	}
	res, err := to.RoundTrip(r)
	if last := f.Last(); err == nil && last != nil && last.Endpoint() != "" {
		if endpoint := hashOf(last.Endpoint()); !known || endpoint != t.endpoint {
			t.endpoint = endpoint
			s.issue(res, t)
		}
	}
	return res, err
}

// issue gives the client a token.
func (s *session) issue(res *http.Response, t token) {
	if res.Header == nil {
		res.Header = http.Header{}
	}
	if s.header != "" {
		res.Header[s.header] = []string{t.String()}
		return
	}
	c := s.cookie
	c.Value = t.String()
	res.Header.Add("Set-Cookie", c.String())
}

// hash tells the names of backends apart, and those of different rules.
func (s *session) hash(name string) uint64 { return hashOf(s.rule + "\x00" + name) }

func hashOf(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// persistent is an algorithm that gives a request with a hash to the endpoint whose
// address has that hash.
type persistent struct{ otherwise lb.Algorithm }

// Picker implements lb.Algorithm.
func (p persistent) Picker(hosts []*lb.Host) (lb.Picker, error) {
	otherwise, err := p.otherwise.Picker(hosts)
	if err != nil {
		return nil, err
	}
	k := &keeper{otherwise: otherwise, hosts: make(map[uint64]*lb.Host, len(hosts))}
	for _, h := range hosts {
		k.hosts[hashOf(h.Addr())] = h
	}
	return k, nil
}

type keeper struct {
	otherwise lb.Picker
	hosts     map[uint64]*lb.Host
}

// Pick implements lb.Picker.
func (k *keeper) Pick(q lb.Query) *lb.Host {
	if q.Hashed && q.Attempt == 0 {
		if h := k.hosts[q.Hash]; h != nil && !slices.Contains(q.Tried, h) {
			return h
		}
	}
	return k.otherwise.Pick(q)
}
