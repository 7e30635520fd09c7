package mirror

import (
	"io"
	"net/http"

	"github.com/sidecarless/mesh/internal/body"
	"github.com/sidecarless/mesh/internal/flow"
)

// Transport copies requests that go to next.
func (m *Mirror) Transport(next http.RoundTripper) http.RoundTripper { return &transport{m, next} }

type transport struct {
	m    *Mirror
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	p := t.m.plan.Load()
	if !t.m.sample(p, r) {
		return t.next.RoundTrip(r)
	}
	// A hedged attempt may run beside others, and must not write into the record.
	if try := flow.TryOf(r); try != nil && try == &try.Flow.First {
		m := try.Flow.Tell()
		m.Mirrors = append(m.Mirrors, p.name)
	}
	c := newReplica(t.m, p, r)
	b := c.copyBody(r)
	if b != nil {
		r = flow.Own(r)
		r.Body = b
	}
	returned := false
	defer func() {
		if !returned { // next panics
			c.abandon(b)
		}
	}()
	res, err := t.next.RoundTrip(r)
	returned = true
	if c.primary != nil {
		c.watch(res, err)
	}
	return res, err
}

// abandon lets go of a copy whose request will not come to an end.
func (c *replica) abandon(b *tee) {
	if b != nil {
		b.unread()
	}
	if c.primary != nil {
		c.primary <- answer{}
	}
}

// watch gives the answer to the request itself to the copy, when it has ended.
func (c *replica) watch(res *http.Response, err error) {
	if err != nil || res.StatusCode == http.StatusSwitchingProtocols {
		c.primary <- answer{}
		return
	}
	w := &watched{ReadCloser: res.Body, copy: c, recording: c.record(res.StatusCode, res.Header)}
	if res.Body != http.NoBody {
		res.Body = w
	}
	body.OnEnd(res, nil, w)
}

// watched is the body of an answer that is compared.
type watched struct {
	io.ReadCloser
	recording
	copy *replica
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.add(p[:n])
	return n, err
}

// Unwrap is the body inside.
func (w *watched) Unwrap() io.ReadCloser { return w.ReadCloser }

// BodyEnded implements body.Ender.
func (w *watched) BodyEnded(err error) {
	w.cut = w.cut || err != nil
	w.copy.primary <- w.answer
}
