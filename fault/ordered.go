package fault

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
)

// OrderHeader is the header in which trusted callers order faults, see [Ordered].
const OrderHeader = "X-Mesh-Fault"

// Ordered are the faults that trusted callers may order of services by name, such
// as a test that sends one request through five real services and wants the fourth
// of them to fail. The header x-mesh-fault holds orders, with spaces between them:
//
//	ratings=abort:503;p=50 reviews=delay:2s details=reset
//
// Each service obeys those with its name: an abort with a status of HTTP, 200 to
// 599, a delay, or a reset of the connection, for p per cent of the requests, all
// without it. The services in between have to send the header on, as they do with
// those of traces.
//
// The header counts only with the signature of one of Keys, which [Sign] makes and
// which ends with its time, or from callers that Allow knows. Otherwise, and where
// an order cannot be read, nothing happens. An order comes in place of a fault of
// the same kind that is drawn, and [Config.When] and MaxActive hold for it, too.
type Ordered struct {
	// Name is that of this service, or of the one that a client's requests go to.
	Name string

	// Share is the most of the requests with an order that get what it says; zero
	// does not listen.
	Share mesh.Fraction

	// MaxDelay is what longer delays are cut to; zero is 15 s.
	MaxDelay time.Duration

	// Keys are those whose signatures count, each of 16 bytes or more. Several are for
	// the time in which one takes the place of another.
	Keys [][]byte

	// Allow, if set, says which callers need no signature, by the identity that they
	// have proved. Nil is none.
	Allow func(*http.Request) bool
}

// Sign is the value of the header x-mesh-fault for some orders, signed with a key
// until a time. The error says which of the orders no service could read.
//
// Without Go it is made of the orders, the time in seconds of Unix and the
// HMAC-SHA256 of what is before it, in base64url:
//
//	v="ratings=abort:503 exp:$(date -d '+10 min' +%s)"
//	v="$v sig:$(printf %s "$v" | openssl dgst -sha256 -hmac "$KEY" -binary | basenc --base64url)"
func Sign(key []byte, until time.Time, orders ...string) (string, error) {
	l := check.List{Prefix: "fault"}
	if len(key) < minKey {
		l.Add("Key", nil, "has %d bytes; a key must have %d or more", len(key), minKey)
	}
	for n, text := range orders {
		if _, _, ok := parseOrder(text); !ok || strings.ContainsFunc(text, unicode.IsSpace) {
			l.Add(fmt.Sprintf("Orders[%d]", n), text, "is no order such as ratings=abort:503;p=50")
		}
	}
	text := strings.Join(orders, " ") + endWord + strconv.FormatInt(until.Unix(), 10)
	text += signatureWord + base64.RawURLEncoding.EncodeToString(signature(key, text))
	if len(text) > maxOrders {
		l.Add("Orders", len(text), "are longer than %d bytes with their signature", maxOrders)
	}
	if err := l.Err(); err != nil {
		return "", err
	}
	return text, nil
}

const (
	minKey        = 16   // bytes of a key
	maxOrders     = 4096 // bytes of the header: what is longer is not worth a hash
	endWord       = " exp:"
	signatureWord = " sig:"
)

func signature(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func (o Ordered) check(l *check.List) {
	l.Share("Ordered.Share", o.Share)
	l.NotNegative("Ordered.MaxDelay", o.MaxDelay)
	if strings.ContainsAny(o.Name, " \t=:;") {
		l.Add("Ordered.Name", o.Name, "must be without spaces and any of = : ;")
	}
	for n, key := range o.Keys {
		if len(key) < minKey {
			l.Add(fmt.Sprintf("Ordered.Keys[%d]", n), nil, "has %d bytes; a key must have %d or more", len(key), minKey)
		}
	}
	switch listens := len(o.Keys) > 0 || o.Allow != nil; {
	case o.Share == 0 && listens:
		l.Add("Ordered.Share", nil, "is missing: no order would be obeyed")
	case o.Share != 0 && !listens:
		l.Add("Ordered.Keys", nil, "are missing, as is Allow: nobody could order anything")
	case o.Share != 0 && o.Name == "":
		l.Add("Ordered.Name", nil, "is missing: no order could be meant")
	}
}

// decide carries out the orders that a request brings along, if they count.
func (o *Ordered) decide(d *Decision, r *http.Request, draw uint64) {
	lines := r.Header[OrderHeader]
	if len(lines) == 0 || len(lines[0]) > maxOrders || !strings.Contains(lines[0], o.Name+"=") {
		return
	}
	orders, ok := o.trusted(r, lines[0])
	if !ok {
		return
	}
	for text := range strings.FieldsSeq(orders) {
		name, order, ok := parseOrder(text)
		if !ok || name != o.Name {
			continue
		}
		share := min(order.share, o.Share)
		switch {
		case order.Delay != 0:
			if share.Hit(mix(draw ^ drawOrderedDelay)) {
				d.Delay = min(order.Delay, o.MaxDelay)
			}
		case share.Hit(mix(draw ^ drawOrderedAbort)):
			d.Status, d.GRPC, d.Reset = order.Status, 0, order.Reset
		}
	}
}

// trusted is the orders in a header if they count: those of a caller that is known,
// or those that were signed and have not come to their end.
func (o *Ordered) trusted(r *http.Request, header string) (orders string, ok bool) {
	signed, sent, isSigned := strings.Cut(header, signatureWord)
	orders, end, ends := strings.Cut(signed, endWord)
	if o.Allow != nil && o.Allow(r) {
		return orders, true
	}
	if !isSigned || !ends {
		return "", false
	}
	until, err := strconv.ParseInt(end, 10, 64)
	if err != nil || time.Now().Unix() >= until {
		return "", false
	}
	mac, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(sent, "="))
	if err != nil {
		return "", false
	}
	for _, key := range o.Keys {
		if hmac.Equal(mac, signature(key, signed)) {
			return orders, true
		}
	}
	return "", false
}

// An order is what a service is to do, and for which share of requests.
type order struct {
	Decision
	share mesh.Fraction
}

// parseOrder reads an order such as "ratings=abort:503;p=50".
func parseOrder(text string) (name string, o order, ok bool) {
	name, text, ok = strings.Cut(text, "=")
	if !ok || name == "" || strings.ContainsAny(name, ":;") {
		return "", o, false
	}
	what, p, limited := strings.Cut(text, ";p=")
	o.share = mesh.Always
	if limited {
		share, err := strconv.ParseFloat(p, 64)
		if o.share = mesh.Percent(share); err != nil || !o.share.Valid() {
			return "", o, false
		}
	}
	kind, value, _ := strings.Cut(what, ":")
	switch kind {
	case "abort":
		status, err := strconv.Atoi(value)
		o.Status = status
		return name, o, err == nil && status >= 200 && status <= 599
	case "delay":
		wait, err := time.ParseDuration(value)
		o.Delay = wait
		return name, o, err == nil && wait > 0
	case "reset":
		o.Reset = true
		return name, o, what == "reset"
	}
	return "", o, false
}
