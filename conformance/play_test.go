package conformance

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/forward"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/internal/wiretest"
	"github.com/sidecarless/mesh/lb"
)

// An outcome is what one request came to.
type outcome struct {
	Err      error // no answer at all
	Status   int
	Header   http.Header
	Body     string
	Cut      bool
	Elapsed  time.Duration
	Arrivals []*arrival
	Record   *access.Record
}

// servedBy is the server that answered, or "-".
func (o *outcome) servedBy() string {
	if by := o.Header.Get("X-Served-By"); by != "" {
		return by
	}
	return "-"
}

// play plays a case once against a fresh client and gives the outcomes of each
// step.
func (c *recording) play(ctx context.Context) (map[int][]*outcome, error) {
	s := startServers(c.Servers)
	defer s.stop()
	records := &records{byID: map[string]*access.Record{}}
	proxy, err := c.sidecar(s, records.add)
	if err != nil {
		return nil, err
	}
	defer proxy.stop()
	listener := wiretest.Listen()
	server := forward.Server(proxy.handler)
	server.ErrorLog = log.New(io.Discard, "", 0)
	go server.Serve(proxy.listener(listener))
	defer server.Close()

	all := map[int][]*outcome{}
	for i := range c.Steps {
		step := &c.Steps[i]
		s.script(step.Scripts)
		pause(ctx, step.Wait)
		if step.Request == nil {
			continue
		}
		all[i] = step.play(ctx, i, func() (net.Conn, error) { return proxy.dial(ctx, listener, step.Identity) })
		for k, o := range all[i] {
			o.Record = records.wait(ctx, requestID(i, k))
		}
		// Copies may still be under way.
		if len(c.Mirrors) > 0 {
			pause(ctx, duration(60*time.Millisecond))
		}
		for k, o := range all[i] {
			o.Arrivals = s.take(requestID(i, k))
		}
	}
	return all, nil
}

// A sidecar is the proxy of a case and how its callers reach it.
type sidecar struct {
	handler  http.Handler
	listener func(net.Listener) net.Listener
	dial     func(ctx context.Context, to *wiretest.Loopback, identity string) (net.Conn, error)
	stop     func()
}

// sidecar is the one that the case is about: of the client, or of the server.
func (c *recording) sidecar(s *servers, sink access.Sink) (*sidecar, error) {
	config, err := istio.Parse(c.Name+".yaml", strings.NewReader(c.resources()))
	if err != nil {
		return nil, err
	}
	if c.Inbound != nil {
		return c.inbound(config, s, sink)
	}
	locality, err := lb.ParseLocality(c.Client.Locality)
	if err != nil {
		return nil, err
	}
	client, err := istio.NewClient(config, istio.ClientConfig{
		Workload:     istio.Workload{Namespace: c.Client.Namespace, Labels: c.Client.Labels, Locality: locality},
		Dial:         s.dial,
		Sinks:        []access.Sink{sink},
		ProxyHeaders: true,
	})
	if err != nil {
		return nil, err
	}
	return &sidecar{
		handler:  forward.New(forward.Config{Client: client, Port: c.Port}),
		listener: forward.Listener,
		dial: func(ctx context.Context, to *wiretest.Loopback, _ string) (net.Conn, error) {
			return to.Dial(ctx, "tcp", "proxy")
		},
		stop: func() { client.Close() },
	}, nil
}

// records keeps what the access log tells.
type records struct {
	mu   sync.Mutex
	byID map[string]*access.Record
}

func (r *records) add(_ context.Context, rec access.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[rec.Request.Header.Get(idHeader)] = &rec
}

// wait is the record of a request. What is refused at the door has none.
func (r *records) wait(ctx context.Context, id string) *access.Record {
	for range 20 {
		r.mu.Lock()
		rec := r.byID[id]
		r.mu.Unlock()
		if rec != nil {
			return rec
		}
		pause(ctx, duration(5*time.Millisecond))
	}
	return nil
}

func requestID(step, n int) string { return fmt.Sprintf("r%d-%d", step, n) }

// play sends the requests of a step.
func (s *step) play(ctx context.Context, number int, dial func() (net.Conn, error)) []*outcome {
	n := max(1, s.Repeat)
	if s.Keys != nil {
		n = s.Keys.N
	}
	outcomes := make([]*outcome, n)
	tokens := make(chan struct{}, max(1, s.Concurrency))
	var wg sync.WaitGroup
	for k := range n {
		if k > 0 {
			pause(ctx, s.Every)
		}
		tokens <- struct{}{}
		wg.Go(func() {
			defer func() { <-tokens }()
			outcomes[k] = send(dial, s.text(k, requestID(number, k)), s.Request.method())
		})
	}
	wg.Wait()
	return outcomes
}

func (q *request) method() string {
	if q.Method == "" {
		return http.MethodGet
	}
	return q.Method
}

// text is the k-th request of the step as it goes over the wire.
func (s *step) text(k int, id string) []byte {
	q := s.Request
	path := q.Path
	if path == "" {
		path = "/"
	}
	extra := ""
	if s.Keys != nil {
		key := fmt.Sprintf(s.Keys.Format, k)
		switch {
		case s.Keys.Header != "":
			extra = s.Keys.Header + ": " + key + "\r\n"
		case s.Keys.Cookie != "":
			extra = "cookie: " + s.Keys.Cookie + "=" + key + "\r\n"
		case s.Keys.Query != "":
			path += "?" + s.Keys.Query + "=" + key
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", q.method(), path, q.Authority)
	for _, h := range q.Headers {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString(extra)
	for i := range q.Fill.Count {
		fmt.Fprintf(&b, "x-fill-%d: %s\r\n", i, strings.Repeat("v", max(1, q.Fill.Size)))
	}
	body := q.Body
	if q.BodySize > 0 {
		body = strings.Repeat("x", q.BodySize)
	}
	switch m := q.method(); {
	case body != "", m == http.MethodPost, m == http.MethodPut, m == http.MethodPatch:
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	fmt.Fprintf(&b, "%s: %s\r\n\r\n%s", idHeader, id, body)
	return b.Bytes()
}

// send sends one request over a connection of its own and reads the answer.
func send(dial func() (net.Conn, error), text []byte, method string) (o *outcome) {
	o = &outcome{Header: http.Header{}}
	began := time.Now()
	defer func() { o.Elapsed = time.Since(began) }()
	conn, err := dial()
	if err != nil {
		o.Err = err
		return o
	}
	defer conn.Close()
	conn.SetDeadline(began.Add(15 * time.Second))
	// A server may answer and close before it has read all: its answer counts.
	written := make(chan struct{})
	go func() {
		defer close(written)
		conn.Write(text)
	}()
	defer func() { conn.Close(); <-written }()
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	for err == nil && res.StatusCode < http.StatusOK {
		res, err = http.ReadResponse(r, &http.Request{Method: method})
	}
	if err != nil {
		o.Err = err
		return o
	}
	body, err := io.ReadAll(res.Body)
	o.Status, o.Header, o.Body, o.Cut = res.StatusCode, res.Header, string(body), err != nil
	return o
}
