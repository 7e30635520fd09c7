package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sidecarless/mesh/config/forward"
)

// After SIGTERM requests under way may take this long to end, and then this long
// to be logged.
const (
	drainFor  = 4 * time.Second
	lastLines = 500 * time.Millisecond
)

// A front is the server before a side.
type front struct {
	side     *side
	server   *http.Server
	requests sync.WaitGroup // that have come and not ended
}

func newFront(s *side, logger *slog.Logger) *front {
	f := &front{side: s}
	f.server = forward.Server(f)
	f.server.Protocols.SetHTTP2(true)
	f.server.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
	return f
}

// ServeHTTP implements http.Handler.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests.Add(1)
	defer f.requests.Done()
	f.side.handler.ServeHTTP(w, r)
}

// run accepts connections until ctx ends, and then gives requests under way time to
// end. The error is why none can be accepted.
func (f *front) run(ctx context.Context, l net.Listener) error {
	all := []net.Listener{f.side.listener(l)}
	if f.side.further != nil {
		all = append(all, f.side.further)
	}
	ended := make(chan error, len(all))
	for _, l := range all {
		go func() { ended <- f.server.Serve(l) }()
	}
	select {
	case err := <-ended:
		f.server.Close()
		return err
	case <-ctx.Done():
	}
	f.drain(context.WithoutCancel(ctx))
	for range all {
		<-ended
	}
	return nil
}

// drain lets requests under way end, and be logged.
func (f *front) drain(ctx context.Context) {
	ctx, done := context.WithTimeout(ctx, drainFor)
	defer done()
	if err := f.server.Shutdown(ctx); err != nil {
		f.server.Close()
	}
	// Each request writes its line of the log at its end. Those whose callers were cut
	// off end by themselves, and before connections to servers do: it is not these that
	// failed.
	finished := make(chan struct{})
	go func() {
		f.requests.Wait()
		close(finished)
	}()
	if !ends(finished, lastLines/2) {
		f.side.close()
		ends(finished, lastLines/2)
	}
}

// ends reports whether something ends within a time.
func ends(done <-chan struct{}, within time.Duration) bool {
	select {
	case <-done:
		return true
	case <-time.After(within):
		return false
	}
}
