package spiffe_test

import (
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sidecarless/mesh/internal/certtest"
)

// An agent is a server of the Workload API on a socket of its own.
type agent struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	socket string
	server *grpc.Server
	served sync.WaitGroup
	first  sync.Once
	asked  chan struct{} // closed with the first request

	mu      sync.Mutex // guards all below
	answer  *workload.X509SVIDResponse
	err     error         // in place of an answer
	changed chan struct{} // closed and made anew with each change
}

// startAgent starts an agent that knows nobody. The caller stops it.
func startAgent() *agent {
	dir, err := os.MkdirTemp("", "agent") // the paths of sockets must be short
	if err != nil {
		panic(err)
	}
	a := &agent{
		socket: filepath.Join(dir, "api.sock"), asked: make(chan struct{}), changed: make(chan struct{}),
		err: status.Error(codes.PermissionDenied, "no identity issued"),
	}
	a.start()
	return a
}

func newAgent(t testing.TB) *agent {
	a := startAgent()
	t.Cleanup(a.remove)
	return a
}

func (a *agent) start() {
	l, err := net.Listen("unix", a.socket)
	if err != nil {
		panic(err)
	}
	a.server = grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(a.server, a)
	a.served.Go(func() { a.server.Serve(l) }) //nolint:errcheck // it ends with stop
}

// stop ends the agent and all streams.
func (a *agent) stop() { a.server.Stop(); a.served.Wait() }

// remove leaves nothing of the agent.
func (a *agent) remove() { a.stop(); os.RemoveAll(filepath.Dir(a.socket)) }

func (a *agent) address() string { return "unix://" + a.socket }

// send gives an answer to all who ask or have asked.
func (a *agent) send(answer *workload.X509SVIDResponse) { a.set(answer, nil) }

// fail ends all streams with an error, and answers with it from now on.
func (a *agent) fail(code codes.Code) { a.set(nil, status.Error(code, "as the test has it")) }

func (a *agent) set(answer *workload.X509SVIDResponse, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer, a.err = answer, err
	close(a.changed)
	a.changed = make(chan struct{})
}

// state is what to answer now, and what tells of another answer.
func (a *agent) state() (answer *workload.X509SVIDResponse, changed <-chan struct{}, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answer, a.changed, a.err
}

// FetchX509SVID implements the API.
func (a *agent) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	if md, _ := metadata.FromIncomingContext(stream.Context()); len(md.Get("workload.spiffe.io")) == 0 {
		return status.Error(codes.InvalidArgument, "security header missing from request")
	}
	a.first.Do(func() { close(a.asked) })
	for {
		answer, changed, err := a.state()
		if err != nil {
			return err
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
		select {
		case <-stream.Context().Done():
			return stream.Context().Err()
		case <-changed:
		}
	}
}

// identity is one of an answer, by a CA and with the bundle of its trust domain.
func identity(ca *certtest.CA, id string, bundle ...*certtest.CA) *workload.X509SVID {
	cert, key := ca.Issue(id)
	return &workload.X509SVID{SpiffeId: id, X509Svid: der(cert), X509SvidKey: der(key), Bundle: bundleOf(bundle...)}
}

func bundleOf(cas ...*certtest.CA) (all []byte) {
	for _, ca := range cas {
		all = append(all, der(ca.PEM)...)
	}
	return all
}

func der(text []byte) []byte {
	block, _ := pem.Decode(text)
	return block.Bytes
}
