package jwt

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// pass hands on of a good token what its rule says, in a request of our own.
func (m *good) pass(r *http.Request) {
	if m.rule.PayloadHeader != "" {
		r.Header.Add(m.rule.PayloadHeader, m.token.payload)
	}
	for _, h := range m.rule.ClaimHeaders {
		if text := textOf(claim(m.token.claims, h.Claim)); text != "" && isLine(text) {
			r.Header.Add(h.Header, text)
		}
	}
	if !m.rule.Forward {
		m.place.remove(r)
	}
}

// claim is the claim to which a name leads. Every dot in it leads into an object, so
// that a claim with a dot in its own name has none.
func claim(claims map[string]any, name string) any {
	outer, inner, dotted := strings.Cut(name, ".")
	if !dotted {
		return claims[name]
	}
	within, _ := claims[outer].(map[string]any)
	return claim(within, inner)
}

// textOf is a claim as a header has it: lists and objects as JSON in base64, empty
// for nothing.
func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		if v >= 0 && v < math.MaxUint64 && v == math.Trunc(v) {
			return strconv.FormatUint(uint64(v), 10)
		}
		return strconv.FormatFloat(v, 'f', 6, 64)
	case []any, map[string]any:
		text, _ := json.Marshal(v) // which it was made of
		return base64.StdEncoding.EncodeToString(text)
	}
	return ""
}

// isLine reports whether a text can stand in a header (RFC 9110 section 5.5). The
// issuer chose it, and it is no header otherwise.
func isLine(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) < 0
}
