package conformance

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A gatewayWorkload is pods alike.
type gatewayWorkload struct {
	Namespace, Name string
	Labels          map[string]string
	Replicas        int
}

// A pod is an echo server of the suite.
type pod struct {
	name, namespace, ip string
	labels              map[string]string
	address             string // where it really listens
}

// A podNetwork is all pods, and what arrived at them.
type podNetwork struct {
	pods []*pod
	byIP map[string]*pod

	mu       sync.Mutex
	arrivals map[string][]podArrival // by the id of the probe
	changed  chan struct{}           // closed at the next arrival
	tries    map[string]int          // of requests that are to fail at first
}

// A podArrival is a request as a pod saw it.
type podArrival struct {
	pod                *pod
	method, path, host string
	header             http.Header
}

const podHeader = "X-Answered-By"

func startPods(t *testing.T, workloads []gatewayWorkload) *podNetwork {
	n := &podNetwork{byIP: map[string]*pod{}, arrivals: map[string][]podArrival{}, changed: make(chan struct{}), tries: map[string]int{}}
	for i, w := range workloads {
		for j := range w.Replicas {
			p := &pod{name: fmt.Sprintf("%s-%d", w.Name, j), namespace: w.Namespace, ip: fmt.Sprintf("10.1.%d.%d", i, j+1), labels: w.Labels}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			p.address = listener.Addr().String()
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.serve(p, w, r) }), Protocols: new(http.Protocols)}
			server.Protocols.SetHTTP1(true)
			server.Protocols.SetUnencryptedHTTP2(true)
			t.Cleanup(func() { server.Close() })
			go server.Serve(listener)
			n.pods, n.byIP[p.ip] = append(n.pods, p), p
		}
	}
	return n
}

// dial reaches a pod under its address.
func (n *podNetwork) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(address)
	p := n.byIP[host]
	if p == nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, p.address)
}

// standIn gives a pod the address by which a probe dials it: a recording cannot
// know the addresses of pods.
func (n *podNetwork) standIn(p *gatewayProbe) {
	if p.Request == nil {
		return
	}
	host, _, _ := net.SplitHostPort(p.Request.Host)
	if net.ParseIP(host) == nil {
		return
	}
	for _, one := range n.pods {
		if strings.HasPrefix(one.name, p.Expect.Backend) && strings.HasPrefix(p.From, one.namespace+"/") {
			n.byIP[host] = one
		}
	}
}

func (n *podNetwork) serve(p *pod, w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	n.mu.Lock()
	id := r.Header.Get(idHeader)
	n.arrivals[id] = append(n.arrivals[id], podArrival{p, r.Method, r.RequestURI, r.Host, r.Header.Clone()})
	close(n.changed)
	n.changed = make(chan struct{})
	n.mu.Unlock()
	w.Header().Set(podHeader, p.namespace+"/"+p.name)
	for pair := range strings.SplitSeq(r.Header.Get("X-Echo-Set-Header"), ",") {
		if name, value, ok := strings.Cut(pair, ":"); ok {
			w.Header().Add(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	if delay, err := time.ParseDuration(r.URL.Query().Get("delay")); err == nil && !pause(r.Context(), duration(delay)) {
		return
	}
	if strings.HasPrefix(r.URL.Path, "/retry/") && n.fails(w, r) {
		return
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		w.Write([]byte{0, 0, 0, 0, 0})
		w.Header().Set("Grpc-Status", "0")
	}
}

// fails lets the first requests of an id fail, as the suite's server does.
func (n *podNetwork) fails(w http.ResponseWriter, r *http.Request) bool {
	q := r.URL.Query()
	after, _ := strconv.Atoi(q.Get("succeedAfter"))
	n.mu.Lock()
	n.tries[q.Get("uuid")]++
	done := n.tries[q.Get("uuid")] > after
	n.mu.Unlock()
	if done {
		return false
	}
	if delay, err := time.ParseDuration(q.Get("delayRetry")); err == nil && !pause(r.Context(), duration(delay)) {
		return true
	}
	if status, err := strconv.Atoi(q.Get("responseCode")); err == nil {
		w.WriteHeader(status)
	} else {
		reset(w)
	}
	return true
}

// arrived are the requests of a probe that have arrived so far.
func (n *podNetwork) arrived(id string) (list []podArrival, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append(list, n.arrivals[id]...), n.changed
}

// arrivedAt waits until a request of the probe has arrived at a pod of that name.
func (n *podNetwork) arrivedAt(t *testing.T, id, namespace, name string) {
	limit := time.After(30 * time.Second)
	for {
		list, changed := n.arrived(id)
		for _, a := range list {
			if a.pod.namespace == namespace && strings.HasPrefix(a.pod.name, name) {
				return
			}
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("no request has arrived at %s/%s", namespace, name)
		}
	}
}

// quiet waits until nothing arrives any more: copies come behind the answers.
func (n *podNetwork) quiet() {
	for {
		_, changed := n.arrived("")
		select {
		case <-changed:
		case <-time.After(2 * time.Second):
			return
		}
	}
}
