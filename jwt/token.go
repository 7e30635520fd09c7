package jwt

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// longestToken is the most bytes of a token that is looked at.
const longestToken = 64 << 10

// skew is how much the clocks of issuer and server may differ, as with Envoy.
const skew = 60 * time.Second

// algorithms are those by which tokens may be signed.
var algorithms = []jose.SignatureAlgorithm{
	jose.ES256, jose.ES384, jose.ES512, jose.HS256, jose.HS384, jose.HS512, jose.RS256, jose.RS384, jose.RS512,
	jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
}

// A token is one that could be read. Nothing of it is believed before a key has
// verified it.
type token struct {
	text     string
	payload  string // as it stands in the token
	alg, kid string
	claims   map[string]any

	issuer           string
	audiences        []string
	expires, matures float64 // seconds since 1970; zero for never and ever
}

// parse reads a token. Names are taken as they are, and a name that comes twice is
// an error: no two readers may see different claims.
func parse(text string) (*token, refusal) {
	// The decoder of base64 passes over line ends.
	if len(text) > longestToken || strings.Count(text, ".") != 2 || strings.ContainsAny(text, "\r\n") {
		return nil, badForm
	}
	head, rest, _ := strings.Cut(text, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	if head == "" || payload == "" || signature == "" {
		return nil, badForm
	}
	t := &token{text: text, payload: payload}
	if why := t.readHeader(head); why != "" {
		return nil, why
	}
	if why := t.readClaims(payload); why != "" {
		return nil, why
	}
	if _, err := base64.RawURLEncoding.DecodeString(signature); err != nil {
		return nil, badSignature
	}
	return t, ""
}

func (t *token) readHeader(text string) refusal {
	header, why := object(text, badHeader64, badHeader)
	if why != "" {
		return why
	}
	var ok bool
	if t.alg, ok = header["alg"].(string); !ok {
		return badAlg
	}
	if !slices.Contains(algorithms, jose.SignatureAlgorithm(t.alg)) {
		return unknownAlg
	}
	if kid, there := header["kid"]; there {
		if t.kid, ok = kid.(string); !ok {
			return badKid
		}
	}
	return ""
}

func (t *token) readClaims(text string) (why refusal) {
	if t.claims, why = object(text, badPayload64, badPayload); why != "" {
		return why
	}
	for _, name := range [...]string{"iss", "sub", "jti"} {
		if v, there := t.claims[name]; there {
			if _, ok := v.(string); !ok {
				return refusal("Jwt payload [" + name + "] field is not a string")
			}
		}
	}
	t.issuer, _ = t.claims["iss"].(string)
	for _, name := range [...]string{"iat", "nbf", "exp"} {
		v, there := t.claims[name]
		n, ok := v.(float64)
		switch {
		case there && !ok:
			return refusal("Jwt payload [" + name + "] field is not an integer")
		case n < 0 || n >= 1<<63:
			return refusal("Jwt payload [" + name + "] field is not a positive 64 bit integer")
		}
	}
	t.matures, _ = t.claims["nbf"].(float64)
	t.expires, _ = t.claims["exp"].(float64)
	aud, there := t.claims["aud"]
	switch aud := aud.(type) {
	case string:
		t.audiences = []string{aud}
	case []any:
		for _, one := range aud {
			s, ok := one.(string)
			if !ok {
				return badAud
			}
			t.audiences = append(t.audiences, s)
		}
	default:
		if there {
			return badAud
		}
	}
	return ""
}

// object is a section of a token that is an object of JSON.
func object(section string, bad64, badJSON refusal) (map[string]any, refusal) {
	text, err := base64.RawURLEncoding.DecodeString(section)
	if err != nil {
		return nil, bad64
	}
	var o map[string]any
	if err := json.Unmarshal(text, &o); err != nil || o == nil {
		return nil, badJSON
	}
	return o, ""
}

// inTime judges the times of a token.
func (t *token) inTime(now time.Time) refusal {
	at, slack := float64(now.Unix()), skew.Seconds()
	switch {
	case at+slack < t.matures:
		return notYet
	case t.expires != 0 && at > t.expires+slack:
		return expired
	}
	return ""
}

// signed reports whether one of the keys verifies the token: those with its kid, or
// all if either has none, and of its algorithm.
func (t *token) signed(keys []jose.JSONWebKey) refusal {
	why := noKey
	var parsed *jose.JSONWebSignature
	for i := range keys {
		k := &keys[i]
		if t.kid != "" && k.KeyID != "" && k.KeyID != t.kid || k.Algorithm != "" && k.Algorithm != t.alg {
			continue
		}
		why = notVerified
		if parsed == nil {
			var err error
			if parsed, err = jose.ParseSignedCompact(t.text, algorithms); err != nil {
				return notVerified
			}
		}
		if _, err := parsed.Verify(k.Key); err == nil {
			return ""
		}
	}
	return why
}
