package route

import (
	"net/textproto"
	"slices"
	"strings"

	"github.com/sidecarless/mesh/match"
)

// A place is where an index can hold a description.
type place struct {
	kind placeKind
	name string // of the header
	text string
}

type placeKind uint8

// In the order of preference between places that hold equally many.
const (
	byPath placeKind = iota
	byHeader
	byHead
	byMethod
)

// eachPlace calls f with the places where an index can hold it. For a header it
// gives the field that asks for the line.
func (it *item) eachPlace(f func(at place, field int)) {
	if it.req == nil {
		return
	}
	if path, ok := it.req.Path.Literal(); ok {
		f(place{kind: byPath, text: path}, 0)
	} else if head := it.req.Path.Head(); head != "" && !it.headTold {
		f(place{kind: byHead, text: head}, 0)
	}
	for i, h := range it.req.Headers {
		if line, ok := h.Value.Literal(); ok && plainHeader(h.Name) {
			f(place{kind: byHeader, name: textproto.CanonicalMIMEHeaderKey(h.Name), text: line}, i)
		}
	}
	if method, ok := it.req.Method.Literal(); ok {
		f(place{kind: byMethod, text: method}, 0)
	}
}

// plainHeader reports whether a name is that of a header, and does not stand for
// another part of the request.
func plainHeader(name string) bool {
	return !strings.HasPrefix(name, ":") && !strings.HasPrefix(name, "@") && !strings.EqualFold(name, "Host")
}

// in is what is left of it to be tested in a place.
func (it item) in(at place, field int) item {
	left := *it.req
	switch at.kind {
	case byPath:
		left.Path = match.Value{}
	case byMethod:
		left.Method = match.Value{}
	case byHead:
		it.headTold = true
		if left.Path == match.Prefix(at.text) {
			left.Path = match.Value{}
		}
	case byHeader:
		left.Headers = slices.Concat(left.Headers[:field], left.Headers[field+1:])
	}
	it.req = nil
	if !left.IsZero() {
		kept := left // which is not allocated where nothing is left
		it.req = &kept
	}
	return it
}
