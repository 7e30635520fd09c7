package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// A mood is how a server behaves.
type mood uint8

const (
	calm  mood = iota // answers
	rough             // fails now and then, in several ways
	bad               // answers 500, always
)

// What a service says to its callers.
const (
	originHeader = "X-Origin"  // on every answer of a server: what it was
	idHeader     = "X-Soak-Id" // sent back as it came
	sizeHeader   = "X-Soak-Size"
)

// late is longer than callers of rough services wait.
const late = 400 * time.Millisecond

// An origin is a server on the loopback interface.
type origin struct {
	mood   mood
	half   string // the subset that it belongs to
	addr   string
	server *http.Server
	ended  chan struct{}
}

func newOrigin(m mood, http2 bool) (*origin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &origin{mood: m, addr: l.Addr().String(), ended: make(chan struct{})}
	o.server = &http.Server{Handler: http.HandlerFunc(o.serve), Protocols: new(http.Protocols)}
	o.server.Protocols.SetHTTP1(!http2)
	o.server.Protocols.SetUnencryptedHTTP2(http2)
	go func() {
		defer close(o.ended)
		o.server.Serve(l) //nolint:errcheck // it ends when the server does
	}()
	return o, nil
}

// leave ends the server when its requests have ended.
func (o *origin) leave(ctx context.Context) error {
	err := o.server.Shutdown(ctx)
	<-o.ended
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("a server that was taken out a while ago still had requests")
	}
	return err
}

// die ends the server and its connections at once.
func (o *origin) die() {
	o.server.Close() //nolint:errcheck // of connections that are to break
	<-o.ended
}

func (o *origin) serve(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	size, _ := strconv.Atoi(r.Header.Get(sizeHeader))
	w.Header().Set(idHeader, r.Header.Get(idHeader))
	w.Header().Set(originHeader, "ok")
	status, broken := http.StatusOK, false
	switch draw := rand.IntN(1000); {
	case o.mood == calm, r.URL.Path == healthPath:
	case o.mood == bad:
		status = http.StatusInternalServerError
	case draw < 50:
		status = http.StatusServiceUnavailable
	case draw < 70:
		panic(http.ErrAbortHandler)
	case draw < 80:
		broken = true
	case draw < 85:
		timer := time.NewTimer(late)
		defer timer.Stop()
		select {
		case <-r.Context().Done():
		case <-timer.C:
		}
	}
	if status != http.StatusOK {
		w.Header().Set(originHeader, "failed")
		size = 0
	}
	w.Header().Set("Content-Length", strconv.Itoa(size))
	w.WriteHeader(status)
	if broken {
		size /= 2
	}
	for size > 0 {
		n, err := w.Write(filler[:min(size, len(filler))])
		if err != nil {
			return
		}
		size -= n
	}
	if broken {
		http.NewResponseController(w).Flush() //nolint:errcheck // it breaks in any case
		panic(http.ErrAbortHandler)
	}
}

var filler = make([]byte, 16<<10)
