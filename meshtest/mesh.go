package meshtest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/sidecarless/mesh"
)

// What a server that is down does to its callers, for [Reply.Err].
var (
	// ErrRefused is that of a connection that cannot be made: nothing was sent.
	ErrRefused error = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	// ErrReset is that of a connection that breaks after the request was sent.
	ErrReset error = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
)

// A Mesh stands for servers and the network before them: an http.RoundTripper
// that hands a request to the [Server] at the address in its URL, without
// sockets. Give it to upstream.Config.Transport or istio.ClientConfig.Transport,
// and its Rand to whatever draws. Inside a testing/synctest bubble ten minutes of
// an outage then take milliseconds, and where requests begin at different
// instants, as [Mesh.Load] has it, the same seed gives the same [Mesh.Visits].
type Mesh struct {
	start time.Time
	seed  uint64

	mu      sync.Mutex
	draws   *rand.PCG
	servers map[string]*served
	visits  []Visit
}

// served is a server and how many requests have come to it.
type served struct {
	Server
	n uint64
}

// A Server says how an address of a [Mesh] behaves.
type Server struct {
	// Handler answers; nil is 200 with the address as its body. It may call others
	// through a client of the same mesh. Its answer is handed on when it has returned,
	// so it cannot stream, and in a bubble one that outlives its request has to end.
	Handler http.Handler

	// Latency is how long a request is on its way, up to Jitter more at random.
	Latency, Jitter time.Duration

	// Faults are the script of what goes wrong. The first that befalls a request
	// counts.
	Faults []Fault
}

// A Fault gives a share of the requests of some time another answer than the
// server's own.
type Fault struct {
	After time.Duration // from when on, counted from [NewMesh]
	For   time.Duration // how long; zero is for good
	Share mesh.Fraction // of the requests of that time; zero is all
	Reply Reply         // what they get, such as Err: [ErrRefused]
}

// A Visit is a request as it ended at a server.
type Visit struct {
	At     time.Duration // since [NewMesh]
	Addr   string
	Method string
	Path   string
	Status int    // zero when there was no answer
	Err    string // why not
	Took   time.Duration
}

// String is the visit in one line.
func (v Visit) String() string {
	end := fmt.Sprint(v.Status)
	if v.Err != "" {
		end = v.Err
	}
	return fmt.Sprintf("%v %s %s %s: %s after %v", v.At, v.Addr, v.Method, v.Path, end, v.Took)
}

// NewMesh is a mesh of servers by their addresses, such as "10.0.0.1:80". Its
// time starts now.
func NewMesh(seed uint64, servers map[string]Server) *Mesh {
	m := &Mesh{start: time.Now(), seed: seed, draws: rand.NewPCG(seed, 0), servers: map[string]*served{}}
	for addr, s := range servers {
		m.Set(addr, s)
	}
	return m
}

// Set puts a server in the place of the one at addr, or at a new address, for
// requests that begin now: a release, a repair.
func (m *Mesh) Set(addr string, s Server) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.servers[addr]
	if now == nil {
		now = new(served)
		m.servers[addr] = now
	}
	now.Server = s
}

// Rand draws 64 bits that go by the seed, for fields such as lb.Config.Rand.
func (m *Mesh) Rand() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.draws.Uint64()
}

// Load makes so many calls a second for some time, each in a goroutine of its own,
// and waits for their ends. A call begins at an instant of its own somewhere in its
// part of a second.
func (m *Mesh) Load(perSecond int, during time.Duration, call func()) {
	var calls sync.WaitGroup
	defer calls.Wait()
	start, part := time.Now(), time.Second/time.Duration(perSecond)
	draws := rand.NewPCG(m.seed, 1) // apart from Rand, for calls draw at the same time
	for at := time.Duration(0); at < during; at += part {
		time.Sleep(time.Until(start.Add(at + time.Duration(draws.Uint64()%uint64(part)))))
		calls.Go(call)
	}
}

// Visits are the requests that have ended, in the order in which they came.
func (m *Mesh) Visits() []Visit {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.Clone(m.visits)
	slices.SortStableFunc(all, func(a, b Visit) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Addr, b.Addr)) })
	return all
}

// RoundTrip implements http.RoundTripper. The request is read to its end first;
// the end of its context ends it with the context's cause.
func (m *Mesh) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	res, err := m.answer(r, start)
	v := Visit{At: start.Sub(m.start), Addr: r.URL.Host, Method: r.Method, Path: r.URL.Path, Took: time.Since(start)}
	if err != nil {
		v.Err = err.Error()
	} else {
		v.Status = res.StatusCode
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.visits = append(m.visits, v)
	return res, err
}

func (m *Mesh) answer(r *http.Request, now time.Time) (*http.Response, error) {
	seen, err := received(r)
	if err != nil {
		return nil, err
	}
	s, draws, ok := m.visit(r.URL.Host)
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.AddrError{Err: "no server of this mesh", Addr: r.URL.Host}}
	}
	// No two things happen at the same instant, which keeps their order.
	wait := s.Latency + time.Duration(1+draws.Uint64()%1000)
	if s.Jitter > 0 {
		wait += time.Duration(draws.Uint64() % uint64(s.Jitter))
	}
	fault := s.befalls(now.Sub(m.start), draws.Uint64())
	if fault != nil {
		wait += fault.Reply.Delay
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	switch {
	case fault == nil:
		return s.serve(r, seen)
	case fault.Reply.Err != nil:
		return nil, fault.Reply.Err
	}
	return fault.Reply.response(r), nil
}

// visit is the server at an address, and draws that are those of this request
// whatever happens elsewhere.
func (m *Mesh) visit(addr string) (Server, *rand.PCG, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.servers[addr]
	if s == nil {
		return Server{}, nil, false
	}
	s.n++
	own := s.Server
	if own.Handler == nil {
		own.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, addr) })
	}
	return own, rand.NewPCG(m.seed^xxhash.Sum64String(addr), s.n), true
}

// befalls is the fault that a request meets, or nil.
func (s *Server) befalls(at time.Duration, draw uint64) *Fault {
	for i := range s.Faults {
		f := &s.Faults[i]
		if at >= f.After && (f.For == 0 || at < f.After+f.For) && (f.Share == 0 || f.Share.Hit(draw)) {
			return f
		}
	}
	return nil
}

// serve lets the handler answer. As over a network it sees nothing of the caller's
// context but its end, and a caller who leaves does not wait for it.
func (s *Server) serve(r, seen *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer context.AfterFunc(r.Context(), cancel)()
	seen = seen.WithContext(ctx)
	seen.RequestURI, seen.RemoteAddr = seen.URL.RequestURI(), "192.0.2.1:1234"
	if seen.Host == "" {
		seen.Host = seen.URL.Host
	}
	if seen.Body = http.NoBody; seen.GetBody != nil {
		seen.Body, _ = seen.GetBody() // of our own making, it does not fail
	}
	answered := make(chan *http.Response, 1)
	go func() {
		defer close(answered)
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				panic(p)
			}
		}()
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, seen)
		answered <- w.Result()
	}()
	select {
	case res, ok := <-answered:
		if !ok {
			return nil, ErrReset
		}
		res.Request = r
		return res, nil
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}
