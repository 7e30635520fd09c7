package jwt

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidecarless/mesh/internal/check"
)

// A Rule says how tokens of one issuer are verified, and what of them goes on to
// the application.
type Rule struct {
	// Issuer must be the claim iss. Empty accepts any that the keys verify.
	Issuer string
	// Audiences are those of which the claim aud must have one. Empty accepts any.
	// "http://", "https://" and a slash at the end play no part in the comparison.
	Audiences []string

	// KeySet is the keys as a JSON Web Key Set (RFC 7517). Without it they are fetched
	// from KeysURL or, if that is empty too, from where the issuer's OpenID
	// configuration says (OpenID Connect Discovery 1.0 section 4).
	KeySet  string
	KeysURL string
	// Timeout bounds one fetch of keys; zero is 5 s.
	Timeout time.Duration

	// Headers, Params and Cookies are where tokens of the rule are found. If all are
	// empty it is "Authorization: Bearer TOKEN" and the query parameter access_token.
	Headers []Header
	Params  []string
	Cookies []string

	// Forward leaves the token in the request. Otherwise its header or parameter is
	// taken away; a cookie stays in any case.
	Forward bool
	// PayloadHeader gets the claims as they stand in the token, in base64url. Empty
	// gives none.
	PayloadHeader string
	// ClaimHeaders get single claims.
	ClaimHeaders []ClaimHeader
	// Spaced names claims that hold several words in one text, besides scope and
	// permission: policies see a list of the words.
	Spaced []string
}

// A Header is one in which tokens come. The token begins behind Prefix, wherever
// that stands in the header; without it, all of the header is the token.
type Header struct{ Name, Prefix string }

// A ClaimHeader is a header of the request to the application that gets a claim: a
// text, a number or a truth value as it is, a list or an object as JSON in base64.
// Claim names one inside of another by dots. What a caller sends under the header's
// name is taken away.
type ClaimHeader struct{ Header, Claim string }

// Config is what a [Verifier] verifies by.
type Config struct {
	// Rules are for one issuer each. Without any no token is looked for.
	Rules []Rule
	// Keys fetches the keys of rules without a KeySet, and must be given if there are
	// such rules.
	Keys *Keys
}

// rules are a Config made ready.
type rules struct {
	places []place
	given  []string // canonical names of the headers that callers do not set
}

// A rule is a Rule made ready.
type rule struct {
	Rule
	audiences []string // without scheme and last slash
	keys      keySource
}

// defaultTimeout is Istio's bound on a fetch of keys.
const defaultTimeout = 5 * time.Second

func compile(c Config) (*rules, error) {
	l := check.List{Prefix: "jwt"}
	made := new(rules)
	for i := range c.Rules {
		at := "Rules[" + strconv.Itoa(i) + "]"
		r := &rule{Rule: c.Rules[i]}
		r.check(&l, at)
		r.keys = r.source(&l, at, c.Keys)
		for _, a := range r.Audiences {
			r.audiences = append(r.audiences, plainAudience(a))
		}
		r.Spaced = append(slices.Clone(r.Spaced), "scope", "permission")
		made.locate(r)
		if r.PayloadHeader != "" {
			made.given = append(made.given, http.CanonicalHeaderKey(r.PayloadHeader))
		}
		for _, h := range r.ClaimHeaders {
			made.given = append(made.given, http.CanonicalHeaderKey(h.Header))
		}
	}
	return made, l.Err()
}

// check reports what is wrong with a rule but for its keys.
func (r *Rule) check(l *check.List, at string) {
	header := func(field, name string) {
		if !isToken(name) {
			l.Add(field, name, "is no name of a header")
		}
	}
	for i, h := range r.Headers {
		header(at+".Headers["+strconv.Itoa(i)+"].Name", h.Name)
	}
	notEmpty := func(list string, names []string) {
		if i := slices.Index(names, ""); i >= 0 {
			l.Add(at+"."+list+"["+strconv.Itoa(i)+"]", "", "must not be empty")
		}
	}
	notEmpty("Audiences", r.Audiences)
	notEmpty("Params", r.Params)
	notEmpty("Cookies", r.Cookies)
	if r.PayloadHeader != "" {
		header(at+".PayloadHeader", r.PayloadHeader)
	}
	for i, h := range r.ClaimHeaders {
		field := at + ".ClaimHeaders[" + strconv.Itoa(i) + "]"
		header(field+".Header", h.Header)
		if h.Claim == "" {
			l.Add(field+".Claim", "", "must not be empty")
		}
	}
	l.NotNegative(at+".Timeout", r.Timeout)
}

// source is where the keys of a rule come from.
func (r *Rule) source(l *check.List, at string, keys *Keys) keySource {
	switch {
	case r.KeySet != "":
		set, err := parseKeySet([]byte(r.KeySet))
		if err != nil {
			l.Add(at+".KeySet", nil, "%v", err)
		}
		return fixed(set)
	case r.Issuer == "" && r.KeysURL == "":
		l.Add(at+".Issuer", nil, "must be given, or KeysURL or KeySet: nothing else tells where the keys are")
		return nil
	}
	field, from := at+".KeysURL", origin{url: r.KeysURL}
	if r.KeysURL == "" {
		field, from = at+".Issuer", origin{url: strings.TrimSuffix(r.Issuer, "/") + "/.well-known/openid-configuration", discovery: true}
	}
	if u, err := url.Parse(from.url); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		l.Add(field, from.url, "must be a URL of http or https: keys are fetched from there")
		return nil
	}
	if keys == nil {
		l.Add("Keys", nil, "must be given: keys are fetched from %s", from.url)
		return nil
	}
	return keys.set(from, cmp.Or(r.Timeout, defaultTimeout))
}

// isToken reports whether s can be the name of a header (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// plainAudience is an audience as it is compared.
func plainAudience(a string) string {
	rest, ok := strings.CutPrefix(a, "http://")
	if !ok {
		rest = strings.TrimPrefix(a, "https://")
	}
	return strings.TrimSuffix(rest, "/")
}
