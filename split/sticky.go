package split

import (
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/match"
)

// StickyConfig says what keeps a user on a branch.
type StickyConfig struct {
	// Name is the name of the split. Splits of different names divide the same
	// users independently, so that the canary of one service does not always meet
	// the canary of another; with an equal name, which may be empty, the same users
	// are chosen.
	Name string

	// Key reads what identifies the user. Nil means the value of Cookie.
	Key match.Key

	// Hash reads a number to be used as the draw, in place of Key: Envoy's
	// hash-driven weighted clusters (use_hash_policy), for which Hash is the hash of
	// the route's policies. A user stays as long as the weights do; when they
	// change, the borders between branches move over the users.
	Hash func(*http.Request) (hash uint64, ok bool)

	// Cookie is the model of a cookie that is issued to a user who comes without a
	// key: its name and attributes are taken and its value is made up. Nil issues
	// none, and users without a key get a random branch. The cookie is added to the
	// answer's Set-Cookie headers.
	Cookie *http.Cookie

	// Pin makes the cookie stand for the branch and not for the user. Its bearer
	// stays there whatever the weights become, also when the branch's weight is
	// zero, until the branch is removed; only who comes without a cookie gets a
	// branch by weight. It needs Cookie. A user can forge such a cookie and so
	// choose a branch.
	Pin bool

	// Rand draws for users without a key. Nil is the generator of math/rand/v2.
	Rand func() uint64
}

// Sticky adapts splitters so that users keep their branch. It is made by
// [NewSticky], does not change and may be shared.
type Sticky struct {
	c      StickyConfig
	cookie match.Key // nil without a cookie
}

// NewSticky reports every problem of c, with fields such as "split.Cookie.Name".
func NewSticky(c StickyConfig) (*Sticky, error) {
	problems := check.List{Prefix: "split"}
	if c.Key == nil && c.Hash == nil && c.Cookie == nil {
		problems.Add("Key", nil, "is needed, or else Hash or Cookie")
	}
	if c.Key != nil && c.Hash != nil {
		problems.Add("Hash", nil, "cannot be used together with Key")
	}
	if c.Pin && c.Cookie == nil {
		problems.Add("Pin", nil, "needs a Cookie")
	}
	s := &Sticky{c: c}
	if c.Rand == nil {
		s.c.Rand = rand.Uint64
	}
	if c.Cookie != nil {
		model := *c.Cookie
		model.Value = ""
		if err := model.Valid(); err != nil {
			problems.Add("Cookie", nil, "cannot be sent: %v", err)
		}
		s.c.Cookie, s.cookie = &model, match.CookieKey(model.Name)
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// Transport sends each request through its user's branch of s.
func (k *Sticky) Transport(s *Splitter[http.RoundTripper]) http.RoundTripper {
	return &stickyTransport{k, s}
}

// Handler serves each request by its user's branch of s.
func (k *Sticky) Handler(s *Splitter[http.Handler]) http.Handler {
	return &stickyHandler{k, s}
}

type stickyTransport struct {
	k *Sticky
	s *Splitter[http.RoundTripper]
}

// RoundTrip implements http.RoundTripper.
func (t *stickyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c := stick(t.k, t.s.now.Load(), r)
	if t := flow.TryOf(r); t != nil {
		c.note(t.Choice())
	}
	res, err := c.Value.RoundTrip(r)
	if err == nil && c.issue != "" {
		if res.Header == nil {
			res.Header = make(http.Header)
		}
		res.Header.Add("Set-Cookie", t.k.setCookie(c.issue))
	}
	return res, err
}

type stickyHandler struct {
	k *Sticky
	s *Splitter[http.Handler]
}

// ServeHTTP implements http.Handler.
func (h *stickyHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := stick(h.k, h.s.now.Load(), r)
	if f := flow.Served(r); f != nil {
		c.note(&f.Choice)
	}
	if c.issue != "" {
		w.Header().Add("Set-Cookie", h.k.setCookie(c.issue))
	}
	c.Value.ServeHTTP(w, r)
}

// stick is the choice for r by what k says.
func stick[T any](k *Sticky, t *table[T], r *http.Request) (c choice[T]) {
	var cookie string
	var known bool
	if k.cookie != nil {
		cookie, known = k.cookie(r)
	}
	if k.c.Pin && known {
		if c.Branch = t.pinned(k.c.Name, cookie); c.Branch != nil {
			return c
		}
	}
	switch {
	case k.c.Key != nil:
		if key, ok := k.c.Key(r); ok {
			c.Branch = t.pickKey(k.c.Name, key)
		}
	case k.c.Hash != nil:
		if hash, ok := k.c.Hash(r); ok {
			c.Branch = t.pick(hash)
		}
	}
	switch {
	case k.c.Pin:
		if c.Branch == nil {
			c = t.draw(k.c.Rand())
		}
		c.issue = pin(k.c.Name, c.Name)
	case c.Branch != nil:
	case known:
		c.Branch = t.pickKey(k.c.Name, cookie)
	case k.cookie != nil:
		c.issue = hex(k.c.Rand())
		c.Branch = t.pickKey(k.c.Name, c.issue)
	default:
		c = t.draw(k.c.Rand())
	}
	return c
}

// pinned is the branch for which a cookie stands, or nil when there is none any
// more.
func (t *table[T]) pinned(split, cookie string) *Branch[T] {
	for i := range t.branches {
		if pin(split, t.branches[i].Name) == cookie {
			return &t.branches[i]
		}
	}
	return nil
}

// pin is the value of a cookie that stands for a branch: a hash, since a branch's
// name may hold what a cookie may not.
func pin(split, branch string) string { return hex(hash(split, branch, "")) }

// hex is n as 16 digits.
func hex(n uint64) string {
	const zeros = "0000000000000000"
	s := strconv.FormatUint(n, 16)
	return zeros[len(s):] + s
}

func (k *Sticky) setCookie(value string) string {
	c := *k.c.Cookie
	c.Value = value
	return c.String()
}
