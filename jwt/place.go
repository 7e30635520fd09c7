package jwt

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A place is where tokens are found, and the rules by which tokens found there are
// verified.
type place struct {
	kind   placeKind
	name   string // canonical, of a header
	prefix string // of a header
	rules  []*rule
}

type placeKind uint8

const (
	inHeader placeKind = iota
	inParam
	inCookie
)

// locate notes the places of a rule.
func (s *rules) locate(r *rule) {
	if len(r.Headers)+len(r.Params)+len(r.Cookies) == 0 {
		r.Headers, r.Params = []Header{{"Authorization", "Bearer "}}, []string{"access_token"}
	}
	for _, h := range r.Headers {
		s.at(inHeader, http.CanonicalHeaderKey(h.Name), h.Prefix, r)
	}
	for _, name := range r.Params {
		s.at(inParam, name, "", r)
	}
	for _, name := range r.Cookies {
		s.at(inCookie, name, "", r)
	}
}

func (s *rules) at(kind placeKind, name, prefix string, r *rule) {
	i := slices.IndexFunc(s.places, func(p place) bool { return p.kind == kind && p.name == name && p.prefix == prefix })
	if i < 0 {
		s.places = append(s.places, place{kind: kind, name: name, prefix: prefix})
		i = len(s.places) - 1
	}
	if p := &s.places[i]; !slices.Contains(p.rules, r) {
		p.rules = append(p.rules, r)
	}
}

// find adds to found the tokens of a request in this place, all of them: an
// application might look at another one than the first.
func (p *place) find(found []string, r *http.Request) []string {
	switch p.kind {
	case inHeader:
		for _, line := range r.Header[p.name] {
			if token, ok := behind(line, p.prefix); ok {
				found = append(found, token)
			}
		}
	case inParam:
		for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
			if p.isParam(pair) {
				_, value, _ := strings.Cut(pair, "=")
				value, _ = url.QueryUnescape(value) // what is no text is no token either
				found = append(found, value)
			}
		}
	case inCookie:
		for _, line := range r.Header["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				if name, value, ok := strings.Cut(strings.TrimLeft(pair, " "), "="); ok && name == p.name {
					found = append(found, unquoted(value))
				}
			}
		}
	}
	return found
}

// unquoted is the value of a cookie without the quotes around it.
func unquoted(value string) string {
	if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
		return value[1 : n-1]
	}
	return value
}

// behind is what stands behind a prefix, wherever that is, from the first
// character that a token can have; ok is false without the prefix. A header that
// is empty is a token that is none. This is Envoy's reading of a header.
func behind(line, prefix string) (token string, ok bool) {
	if prefix == "" {
		return line, true
	}
	_, rest, ok := strings.Cut(line, prefix)
	if !ok {
		return "", false
	}
	if at := strings.IndexFunc(rest, ofToken); at >= 0 {
		return rest[at:], true
	}
	return line, true
}

// ofToken reports whether c is of the base64url alphabet, or a dot.
func ofToken(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}

func (p *place) isParam(pair string) bool {
	name, err := url.QueryUnescape(paramName(pair))
	return err == nil && name == p.name
}

func paramName(pair string) string {
	name, _, _ := strings.Cut(pair, "=")
	return name
}

// remove takes the tokens in this place out of a request of our own. Cookies stay,
// and the parameters that are left come in the order of their names, each with its
// "=", as with Envoy.
func (p *place) remove(r *http.Request) {
	switch p.kind {
	case inHeader:
		delete(r.Header, p.name)
	case inParam:
		var kept []string
		for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
			if p.isParam(pair) {
				continue
			}
			if !strings.Contains(pair, "=") {
				pair += "="
			}
			kept = append(kept, pair)
		}
		slices.SortStableFunc(kept, func(a, b string) int { return strings.Compare(paramName(a), paramName(b)) })
		u := *r.URL
		u.RawQuery = strings.Join(kept, "&")
		r.URL = &u
		if path, _, ok := strings.Cut(r.RequestURI, "?"); ok {
			r.RequestURI = path
			if u.RawQuery != "" {
				r.RequestURI += "?" + u.RawQuery
			}
		}
	}
}
