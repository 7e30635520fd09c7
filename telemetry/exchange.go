package telemetry

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// The headers by which sidecars tell who they are.
const (
	headerID       = "X-Envoy-Peer-Metadata-Id"
	headerMetadata = "X-Envoy-Peer-Metadata"
	headerBaggage  = "Baggage"
)

// An Exchange tells others who this process is, and learns who they are. What it
// learns stands in the records that package access makes of requests. The other
// side names itself: over mutual TLS its namespace is checked by whoever makes
// metrics of it, and nothing else is ever decided by these names.
type Exchange struct {
	id, metadata []string // our own, as header values; not to be changed
	peers        peers
}

// NewExchange makes an Exchange for the workload w.
func NewExchange(w mesh.Workload) *Exchange {
	metadata := encode(&w)
	sum := sha256.Sum256([]byte(metadata))
	// Whoever is told caches what belongs to an id: it must be another one whenever
	// anything is.
	id := "mesh~" + w.Instance + "~" + w.Name + "." + w.Namespace + "~" + hex.EncodeToString(sum[:8])
	return &Exchange{id: []string{headerText(id)}, metadata: []string{metadata}}
}

// headerText is s without what a header's value cannot hold.
func headerText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return '_'
		}
		return r
	}, s)
}

// Transport is a client layer that tells who calls, and hides from the caller how
// it was told who answered. It belongs inside of the layer that makes records and, with
// attempts of their own, around each of them; where requests leave the mesh it does
// not belong.
func (x *Exchange) Transport(next http.RoundTripper) http.RoundTripper { return exchanging{x, next} }

type exchanging struct {
	*Exchange
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (x exchanging) RoundTrip(r *http.Request) (*http.Response, error) {
	f := flow.Of(r)
	r = flow.OwnHeader(r)
	r.Header[headerID], r.Header[headerMetadata] = x.id, x.metadata
	res, err := x.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if f != nil {
		if w := x.peers.of(res.Header[headerMetadata]); w != nil {
			f.SetPeer(w)
		}
	}
	delete(res.Header, headerID)
	delete(res.Header, headerMetadata)
	return res, nil
}

// Handler is a server layer that learns who calls, and tells callers that know of
// such names who answers. It belongs outside of the layer that makes records, or
// inside.
func (x *Exchange) Handler(next http.Handler) http.Handler { return answering{x, next} }

type answering struct {
	*Exchange
	next http.Handler
}

// ServeHTTP implements http.Handler.
func (x answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, metadata := r.Header[headerID], r.Header[headerMetadata]
	if id == nil && metadata == nil {
		in := r
		if told := r.Header[headerBaggage]; told != nil {
			if peer := x.peers.ofBaggage(told); peer != nil {
				var f *flow.Flow
				f, in = flow.EnsureServed(r)
				f.SetPeer(peer)
			}
		}
		x.next.ServeHTTP(w, in)
		flow.HandBack(r, in)
		return
	}
	f, in := flow.EnsureServed(r)
	in = flow.OwnHeader(in)
	delete(in.Header, headerID)
	delete(in.Header, headerMetadata)
	if peer := x.peers.of(metadata); peer != nil {
		f.SetPeer(peer)
	}
	w.Header()[headerID], w.Header()[headerMetadata] = x.id, x.metadata
	x.next.ServeHTTP(w, in)
	flow.HandBack(r, in)
}

// ofBaggage is the workload that W3C baggage tells of, as ambient meshes send it;
// nil if it tells of none.
func (p *peers) ofBaggage(values []string) *mesh.Workload {
	var relevant []string
	for _, value := range values {
		for member := range strings.SplitSeq(value, ",") {
			member, _, _ = strings.Cut(strings.TrimSpace(member), ";")
			if strings.HasPrefix(member, "k8s.") || strings.HasPrefix(member, "service.") || strings.HasPrefix(member, "app.") {
				relevant = append(relevant, member)
			}
		}
	}
	if len(relevant) == 0 {
		return nil
	}
	return p.find(strings.Join(relevant, ","), func(members string) *mesh.Workload {
		a := map[string]string{}
		for member := range strings.SplitSeq(members, ",") {
			k, v, _ := strings.Cut(member, "=")
			if text, err := url.PathUnescape(strings.TrimSpace(v)); err == nil && utf8.ValidString(text) {
				a[strings.TrimSpace(k)] = text
			}
		}
		w := fromAttributes(a)
		if w == (mesh.Workload{}) {
			return nil
		}
		return &w
	})
}
