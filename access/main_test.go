package access_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// told keeps Records.
type told struct {
	mu  sync.Mutex
	all []access.Record
	new chan struct{}
}

func newTold() *told { return &told{new: make(chan struct{}, 1000)} }

// Sink is an [access.Sink].
func (l *told) Sink(_ context.Context, r access.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, r)
	l.new <- struct{}{}
}

// one is the only Record, waited for if need be.
func (l *told) one(t *testing.T) access.Record {
	t.Helper()
	select {
	case <-l.new:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Len(t, l.all, 1)
	return l.all[0]
}

func (l *told) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

// contextWith is the context of a request that came to a local address.
func contextWith(t *testing.T, local net.Addr) context.Context {
	return context.WithValue(t.Context(), http.LocalAddrContextKey, local)
}

// discard is where servers say what the tests expect.
var discard = log.New(io.Discard, "", 0)
