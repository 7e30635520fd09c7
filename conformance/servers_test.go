package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sidecarless/mesh/internal/wiretest"
)

// idHeader tells the requests of a play apart.
const idHeader = "X-Oracle-Id"

// An arrival is a request as a server saw it.
type arrival struct {
	Server, Method, Path, Host, Status string
	Header                             http.Header
	Body                               int64
	At                                 time.Time
}

// servers are the servers of a case.
type servers struct {
	listeners map[string]*wiretest.Loopback // by the address that the case names
	running   []*http.Server

	mu       sync.Mutex
	scripts  map[string][]reply
	used     map[string]int
	arrivals map[string][]*arrival
}

func startServers(list []server) *servers {
	s := &servers{listeners: map[string]*wiretest.Loopback{}, scripts: map[string][]reply{}, used: map[string]int{}, arrivals: map[string][]*arrival{}}
	for _, one := range list {
		s.scripts[one.Name] = one.Script
		if one.Down {
			continue
		}
		listener := wiretest.Listen()
		s.listeners[one.Address] = listener
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(one.Name, w, r) })}
		s.running = append(s.running, server)
		go server.Serve(listener)
	}
	return s
}

func (s *servers) stop() {
	for _, server := range s.running {
		server.Close()
	}
}

// dial reaches the servers under the addresses that the case gives them. Where
// nobody listens the connection is refused.
func (s *servers) dial(ctx context.Context, network, address string) (net.Conn, error) {
	listener, ok := s.listeners[address]
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return listener.Dial(ctx, network, address)
}

func (s *servers) script(scripts map[string][]reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, script := range scripts {
		s.scripts[name], s.used[name] = script, 0
	}
}

// take gives the arrivals of a request and forgets them.
func (s *servers) take(id string) []*arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.arrivals[id]
	delete(s.arrivals, id)
	return list
}

// arrived notes a request and takes the next reply of the server's script.
func (s *servers) arrived(name string, r *http.Request) reply {
	size, err := io.Copy(io.Discard, r.Body)
	header := r.Header.Clone()
	if len(r.TransferEncoding) > 0 {
		header["Transfer-Encoding"] = r.TransferEncoding
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	reply, n := reply{}, s.used[name]
	s.used[name]++
	for _, next := range s.scripts[name] {
		if next.Times == 0 || n < next.Times {
			reply = next
			break
		}
		n -= next.Times
	}
	if reply.Status == 0 {
		reply.Status = http.StatusOK
	}
	a := &arrival{Server: name, Method: r.Method, Path: r.RequestURI, Host: r.Host, Header: header, Body: size, At: time.Now(), Status: reply.words()}
	if err != nil {
		a.Status += " (request body cut: " + err.Error() + ")"
	}
	id := r.Header.Get(idHeader)
	s.arrivals[id] = append(s.arrivals[id], a)
	return reply
}

// words is the reply as the recordings write it.
func (r reply) words() string {
	s := fmt.Sprint(r.Status)
	if r.Reset {
		s = "reset"
	}
	if r.Delay > 0 {
		s += " after " + time.Duration(r.Delay).String()
	}
	if r.BodyDelay > 0 {
		s += ", half of the body after " + time.Duration(r.BodyDelay).String()
	}
	if r.Cut {
		s += ", cut in the body"
	}
	return s
}

// moment is how long an answer takes: of what happens in turn nothing happens at the
// very same time.
const moment = duration(time.Millisecond)

func (s *servers) serve(name string, w http.ResponseWriter, r *http.Request) {
	reply := s.arrived(name, r)
	if !pause(r.Context(), moment+reply.Delay) {
		return
	}
	if reply.Reset {
		reset(w)
		return
	}
	for k, v := range reply.Headers {
		w.Header().Set(k, v)
	}
	w.Header().Set("X-Served-By", name)
	switch {
	case reply.BodyDelay > 0 || reply.Cut:
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "10")
		w.WriteHeader(reply.Status)
		io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		if reply.Cut {
			panic(http.ErrAbortHandler)
		}
		if pause(r.Context(), reply.BodyDelay) {
			io.WriteString(w, "later")
		}
	case reply.Body != nil:
		w.WriteHeader(reply.Status)
		io.WriteString(w, *reply.Body)
	default:
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(reply.Status)
		if reply.Status != http.StatusNoContent && reply.Status != http.StatusNotModified {
			json.NewEncoder(w).Encode(map[string]any{"server": name, "path": r.RequestURI})
		}
	}
}

// pause reports whether the time passed before the caller left.
func pause(ctx context.Context, d duration) bool {
	if d == 0 {
		return true
	}
	t := time.NewTimer(time.Duration(d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reset closes a connection with RST.
func reset(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
			tcp.SetLinger(0)
		}
		conn.Close()
	}
}

// split takes the arrivals at servers of copies apart from the others.
func (c *recording) split(all []*arrival) (main, copies []*arrival) {
	for _, a := range all {
		if slices.Contains(c.Mirrors, a.Server) {
			copies = append(copies, a)
		} else {
			main = append(main, a)
		}
	}
	slices.SortStableFunc(copies, func(a, b *arrival) int { return strings.Compare(a.Server, b.Server) })
	return main, copies
}
