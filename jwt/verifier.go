package jwt

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/internal/peer"
)

// mostTokens is how many tokens a request may have: each costs a signature.
const mostTokens = 8

// Stats counts requests since the start.
type Stats struct {
	Verified uint64 // with good tokens
	Without  uint64 // with none
	Refused  uint64
}

// A Verifier verifies the tokens of requests. It is made by [New] and may be used
// by many goroutines while it is updated.
type Verifier struct {
	now    atomic.Pointer[rules]
	counts struct{ verified, without, refused atomic.Uint64 }
}

// New reports every problem of c, with fields such as "jwt.Rules[1].KeySet". It
// fetches nothing.
func New(c Config) (*Verifier, error) {
	v := new(Verifier)
	if err := v.Update(c); err != nil {
		return nil, err
	}
	return v, nil
}

// Update replaces all rules at once. With an error the last good ones stay in
// force. Counts go on.
func (v *Verifier) Update(c Config) error {
	made, err := compile(c)
	if err != nil {
		return err
	}
	v.now.Store(made)
	return nil
}

// Stats copies the counts.
func (v *Verifier) Stats() Stats {
	c := &v.counts
	return Stats{c.verified.Load(), c.without.Load(), c.refused.Load()}
}

// Claims are those of the token that was verified for a request, nil if there was
// none.
func Claims(ctx context.Context) map[string]any { return peer.Claims(ctx) }

// Handler is a server layer that refuses requests with tokens that are not good.
func (v *Verifier) Handler(next http.Handler) http.Handler { return handler{v, next} }

type handler struct {
	verifier *Verifier
	next     http.Handler
}

// ServeHTTP implements http.Handler.
func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	verified, err := h.verifier.Verify(r)
	if err != nil {
		mesh.WriteError(w, r, err)
		return
	}
	h.next.ServeHTTP(w, verified)
}

// Verify verifies the tokens of a served request. It gives the request to go on
// with, or a [*mesh.Error] that is Envoy's answer to a bad token. Every token that
// is found must be good, by one of the rules that look where it was found; the
// claims are those of the first. A CORS preflight, which never has a token, passes
// as it does with Istio.
func (v *Verifier) Verify(r *http.Request) (*http.Request, error) {
	s := v.now.Load()
	out := s.sanitize(r)
	if isPreflight(r) {
		v.counts.without.Add(1)
		return out, nil
	}
	found, err := s.tokens(r)
	if err != nil {
		v.counts.refused.Add(1)
		return nil, err
	}
	if len(found) == 0 {
		v.counts.without.Add(1)
		return out, nil
	}
	v.counts.verified.Add(1)
	out = r.WithContext(authz.WithClaims(r.Context(), found[0].rule.seen(found[0].token.claims)))
	out.Header = r.Header.Clone()
	for _, name := range s.given {
		delete(out.Header, name)
	}
	for i := range found {
		found[i].pass(out)
	}
	return out, nil
}

// sanitize is r without the headers that only a verified token gives.
func (s *rules) sanitize(r *http.Request) *http.Request {
	claimed := func(name string) bool { return r.Header[name] != nil }
	if !slices.ContainsFunc(s.given, claimed) {
		return r
	}
	r = r.WithContext(r.Context())
	r.Header = r.Header.Clone()
	for _, name := range s.given {
		delete(r.Header, name)
	}
	return r
}

// A good is a good token, where it was found, and by which rule it is good.
type good struct {
	place *place
	rule  *rule
	token *token
}

// tokens are the tokens of a request, all of them good.
func (s *rules) tokens(r *http.Request) ([]good, error) {
	var all []good
	var texts [mostTokens]string
	for i := range s.places {
		p := &s.places[i]
		for _, text := range p.find(texts[:0], r) {
			if len(all) == mostTokens {
				return nil, tooMany.answer(r, nil)
			}
			one, why, cause := p.judge(r.Context(), text)
			if why != "" {
				return nil, why.answer(r, cause)
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// judge verifies a token by each of the place's rules in turn. If none accepts it,
// the reason is that of the first rule whose issuer the token has.
func (p *place) judge(ctx context.Context, text string) (m good, why refusal, cause error) {
	t, why := parse(text)
	if why != "" {
		return m, why, nil
	}
	why = unknownIssuer
	for _, r := range p.rules {
		reason, err := r.verify(ctx, t)
		if reason == "" {
			return good{p, r, t}, "", nil
		}
		if why == unknownIssuer {
			why, cause = reason, err
		}
	}
	return m, why, cause
}

// verify judges a token by one rule.
func (r *rule) verify(ctx context.Context, t *token) (refusal, error) {
	if r.Issuer != "" && t.issuer != r.Issuer {
		return unknownIssuer, nil
	}
	if why := t.inTime(time.Now()); why != "" {
		return why, nil
	}
	accepted := func(a string) bool { return slices.Contains(r.audiences, plainAudience(a)) }
	if len(r.audiences) > 0 && !slices.ContainsFunc(t.audiences, accepted) {
		return otherAudience, nil
	}
	keys, err := r.keys.keys(ctx)
	if err != nil {
		return noKeys, errors.Join(errors.New("jwt: no keys to verify a token with"), err)
	}
	return t.signed(keys), nil
}

// seen are claims as policies see them: those of several words as lists of these.
func (r *rule) seen(claims map[string]any) map[string]any {
	seen := make(map[string]any, len(claims))
	for name, v := range claims {
		if text, ok := v.(string); ok && slices.Contains(r.Spaced, name) {
			var words []any
			for word := range strings.SplitSeq(text, " ") {
				if word != "" {
					words = append(words, word)
				}
			}
			v = words
		}
		seen[name] = v
	}
	return seen
}

// isPreflight reports whether r asks for what CORS allows (Fetch Standard, CORS
// protocol).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}
