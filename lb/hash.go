package lb

import (
	"math/bits"
	"net/http"
	"net/netip"
	"net/textproto"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/match"
)

// A HashSource is one thing in a request that consistent hashing can go by.
// Exactly one of Header, Cookie, Query, SourceIP and Key is set. All hashes are
// xxHash64, and equal requests get the hash that Envoy gives them.
type HashSource struct {
	// Header is the name of a header. All its values count, in whatever order they
	// come; an empty value is a value. ":path" (with the query), ":authority"
	// (which "host" means, too), ":method" and ":scheme" stand for the parts of a
	// request that HTTP/2 calls so.
	Header string
	// Rewrite changes each value of Header before it is hashed.
	Rewrite HashRewrite
	// Cookie is a cookie, issued where it is missing if it says so.
	Cookie *HashCookie
	// Query is the name of a query parameter, in its raw form. The first value
	// counts, as it is written: "%41" is not "A".
	Query string
	// SourceIP is the address of the client for which the request is made, without
	// the port: [http.Request.RemoteAddr], which a proxy sets and a plain client
	// does not.
	SourceIP bool
	// Forwarded makes SourceIP the last address in X-Forwarded-For, if there is one.
	Forwarded bool
	// Key reads anything else.
	Key match.Key

	// Terminal ends the list here for requests that have a hash by now, from this
	// source or from one before.
	Terminal bool
}

// A HashRewrite replaces every match of a regular expression (RE2). In
// Substitute \1 to \9 stand for groups, \0 for the match and \\ for a backslash.
// Its zero value changes nothing.
type HashRewrite struct{ Regex, Substitute string }

// A Hasher computes the hash of requests from a list of sources. It never
// changes.
type Hasher struct{ sources []hashSource }

// hashSource is a HashSource made ready.
type hashSource struct {
	from     hashReader
	terminal bool
}

// A hashReader gets a value from a request, if there is one. A cookie that has
// to be issued with the answer is told as the text of its Set-Cookie header.
type hashReader interface {
	read(r *http.Request, draw uint64) (value uint64, ok bool, setCookie string)
}

// NewHasher makes a Hasher from sources, which are asked in their order. The
// values of several are combined.
func NewHasher(sources ...HashSource) (*Hasher, error) {
	h := &Hasher{sources: make([]hashSource, len(sources))}
	problems := check.List{Prefix: "lb"}
	for i, s := range sources {
		var l check.List
		h.sources[i] = hashSource{s.compile(&l), s.Terminal}
		problems.Include(index("", i), l.Err())
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return h, nil
}

// Hash is the hash of a request; ok is false if no source yields one. The texts
// in setCookies are to be added to the answer as Set-Cookie headers; there are
// none as long as no cookie has to be issued.
//
// A cookie's value is made from the addresses of the client's connection, where
// the request tells them, and from the draw, a number of 64 random bits, where it
// does not. All attempts of a request must get the same draw to get the same
// hash.
func (h *Hasher) Hash(r *http.Request, draw uint64) (hash uint64, ok bool, setCookies []string) {
	for i := range h.sources {
		s := &h.sources[i]
		v, found, setCookie := s.from.read(r, draw)
		if found {
			// The first value is taken as it is: there is nothing to rotate yet.
			hash, ok = bits.RotateLeft64(hash, 1)^v, true
		}
		if setCookie != "" {
			setCookies = append(setCookies, setCookie)
		}
		if s.terminal && ok {
			break
		}
	}
	return hash, ok, setCookies
}

func (s HashSource) compile(l *check.List) hashReader {
	var list []hashReader
	if s.Header != "" {
		list = append(list, newHeaderHash(s.Header, s.Rewrite, l))
	} else if s.Rewrite != (HashRewrite{}) {
		l.Add("Rewrite", nil, "goes with Header only")
	}
	if s.Cookie != nil {
		list = append(list, newCookieHash(*s.Cookie, l))
	}
	if s.Query != "" {
		list = append(list, queryHash(s.Query))
	}
	if s.SourceIP {
		list = append(list, sourceHash{s.Forwarded})
	} else if s.Forwarded {
		l.Add("Forwarded", nil, "goes with SourceIP only")
	}
	if s.Key != nil {
		list = append(list, keyHash(s.Key))
	}
	if len(list) != 1 {
		l.Add("", nil, "must have exactly one of Header, Cookie, Query, SourceIP and Key")
		return nil
	}
	return list[0]
}

// keyHash hashes what a function of the user's reads.
type keyHash match.Key

func (k keyHash) read(r *http.Request, _ uint64) (uint64, bool, string) {
	s, ok := k(r)
	if !ok {
		return 0, false, ""
	}
	return xxhash.Sum64String(s), true, ""
}

// queryHash hashes the first value of the parameter of this name.
type queryHash string

func (name queryHash) read(r *http.Request, _ uint64) (uint64, bool, string) {
	for query := r.URL.RawQuery; query != ""; {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if key, value, _ := strings.Cut(pair, "="); key == string(name) {
			return xxhash.Sum64String(value), true, ""
		}
	}
	return 0, false, ""
}

// sourceHash hashes the client's IP address.
type sourceHash struct{ forwarded bool }

func (s sourceHash) read(r *http.Request, _ uint64) (uint64, bool, string) {
	if s.forwarded {
		if lines := r.Header["X-Forwarded-For"]; len(lines) > 0 {
			last := lines[len(lines)-1]
			last = textproto.TrimString(last[strings.LastIndexByte(last, ',')+1:])
			if ip, err := netip.ParseAddr(last); err == nil {
				return hashIP(ip), true, ""
			}
		}
	}
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return 0, false, ""
	}
	return hashIP(at.Addr()), true, ""
}

func hashIP(ip netip.Addr) uint64 {
	var text [64]byte
	return xxhash.Sum64(ip.AppendTo(text[:0]))
}
