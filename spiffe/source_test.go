package spiffe_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/mtls"
	"github.com/sidecarless/mesh/spiffe"
)

const (
	frontendID = "spiffe://cluster.local/ns/shop/sa/frontend"
	reviewsID  = "spiffe://cluster.local/ns/shop/sa/reviews"
	partnerID  = "spiffe://partner.example/ns/shop/sa/orders"
)

// A process is an identity that an agent gives, watched until the test ends.
type process struct {
	*mtls.Identity
	agent *agent
	news  chan error // has an element for each time that something came
}

// newWorkload starts a workload with an agent of its own that answers so.
func newWorkload(t testing.TB, first *workload.X509SVIDResponse, aliases ...string) *process {
	t.Helper()
	w := &process{agent: newAgent(t), news: make(chan error, 100)}
	w.agent.send(first)
	source, err := spiffe.New(spiffe.Config{Address: w.agent.address()})
	require.NoError(t, err)
	w.Identity, err = mtls.New(mtls.Config{Source: told{source.Hasten(), w.news}, Aliases: aliases})
	require.NoError(t, err)
	run(t, w.Identity)
	w.await(t, true) // the first answer on the stream
	return w
}

// run watches until the test ends.
func run(t testing.TB, i *mtls.Identity) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- i.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
}

// told tells also a channel of what came, after it was dealt with.
type told struct {
	mtls.Source
	news chan error
}

func (s told) Watch(ctx context.Context, tell func(*mtls.Credentials, error)) error {
	return s.Source.Watch(ctx, func(k *mtls.Credentials, err error) {
		tell(k, err)
		select {
		case s.news <- err:
		default:
		}
	})
}

// await waits until something good came, or something bad.
func (w *process) await(t testing.TB, good bool) {
	t.Helper()
	for {
		select {
		case err := <-w.news:
			if good == (err == nil) {
				return
			}
		case <-time.After(30 * time.Second):
			t.Fatal("nothing came")
		}
	}
}

// serve answers in the name of the workload.
func (w *process) serve(t testing.TB) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: w.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := mtls.Peer(r)
		io.WriteString(w, id.Principal()) //nolint:errcheck // the client tells
	}))}
	ended := make(chan error)
	go func() { ended <- s.Serve(w.Listener(l, func(uint16) mtls.Mode { return mtls.Strict })) }()
	t.Cleanup(func() { s.Close(); <-ended })
	return l.Addr().String()
}

// get asks a server over a connection of its own.
func get(addr string, c *tls.Config) (string, error) {
	tr := &http.Transport{TLSClientConfig: c}
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Get("https://" + addr)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

func only(all ...*workload.X509SVID) *workload.X509SVIDResponse {
	return &workload.X509SVIDResponse{Svids: all}
}

// Certificates and roots of both sides are exchanged while both serve.
func TestWorkloadsThatRotate(t *testing.T) {
	oldCA, newCA := certtest.NewCA(), certtest.NewCA()
	server := newWorkload(t, only(identity(oldCA, reviewsID, oldCA)))
	caller := newWorkload(t, only(identity(oldCA, frontendID, oldCA)))
	addr, config := server.serve(t), caller.Client(server.ID())
	ask := func() error {
		body, err := get(addr, config)
		if err == nil {
			require.Equal(t, "cluster.local/ns/shop/sa/frontend", body)
		}
		return err
	}
	require.NoError(t, ask())

	for _, w := range []*process{server, caller} {
		w.agent.send(only(identity(oldCA, w.ID().String(), oldCA, newCA)))
		w.await(t, true)
	}
	require.NoError(t, ask(), "both know both roots")
	server.agent.send(only(identity(newCA, reviewsID, oldCA, newCA)))
	server.await(t, true)
	require.NoError(t, ask(), "the server has a certificate by the new root")
	server.agent.send(only(identity(newCA, reviewsID, newCA)))
	server.await(t, true)
	require.Error(t, ask(), "the caller's certificate is by a root that the server has left")
	caller.agent.send(only(identity(newCA, frontendID, newCA)))
	caller.await(t, true)
	require.NoError(t, ask())
}

// Trust domains know each other by their own bundles, and only as aliases.
func TestFederation(t *testing.T) {
	own, partner := certtest.NewCA(), certtest.NewCA()
	server := func(t *testing.T, aliases ...string) *process {
		answer := only(identity(own, reviewsID, own))
		answer.FederatedBundles = map[string][]byte{"spiffe://partner.example": bundleOf(partner)}
		return newWorkload(t, answer, aliases...)
	}
	foreign := only(identity(partner, partnerID, partner))
	foreign.FederatedBundles = map[string][]byte{"spiffe://cluster.local": bundleOf(own)}
	caller := newWorkload(t, foreign, "cluster.local")

	body, err := get(server(t, "partner.example").serve(t), caller.Client())
	require.NoError(t, err)
	require.Equal(t, "partner.example/ns/shop/sa/orders", body)

	_, err = get(server(t).serve(t), caller.Client())
	require.Error(t, err, "a bundle alone lets nobody in")

	forged := newWorkload(t, only(identity(partner, frontendID, own)), "cluster.local")
	_, err = get(server(t, "partner.example").serve(t), forged.Client())
	require.Error(t, err, "a partner vouches for its own workloads only")
}

// A bundle that is withdrawn ends the sessions that were begun with it.
func TestRevocation(t *testing.T) {
	own, partner := certtest.NewCA(), certtest.NewCA()
	federated := only(identity(own, reviewsID, own))
	federated.FederatedBundles = map[string][]byte{"spiffe://partner.example": bundleOf(partner)}
	server := newWorkload(t, federated, "partner.example")
	addr := server.serve(t)

	caller := newWorkload(t, only(identity(partner, partnerID, partner)))
	resumed := false
	config := caller.Client()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	config.VerifyConnection = func(s tls.ConnectionState) error { resumed = s.DidResume; return nil }
	for range 2 {
		_, err := get(addr, config)
		require.NoError(t, err)
	}
	require.True(t, resumed, "the second connection resumes the session of the first")

	server.agent.send(only(identity(own, reviewsID, own)))
	server.await(t, true)
	_, err := get(addr, config)
	require.Error(t, err)
}

// What is wrong is told, changes nothing, and is forgotten with the next good answer.
func TestTheLastGoodAnswerStaysInForce(t *testing.T) {
	ca := certtest.NewCA()
	good := func(id string) *workload.X509SVIDResponse { return only(identity(ca, id, ca)) }
	otherKey := good(frontendID)
	otherKey.Svids[0].X509SvidKey = good(frontendID).Svids[0].X509SvidKey
	noBundle := good(frontendID)
	noBundle.Svids[0].Bundle = nil
	badBundle := good(frontendID)
	badBundle.FederatedBundles = map[string][]byte{"spiffe://partner.example": []byte("none")}
	for name, bad := range map[string]func(a *agent){
		"no identity":                      func(a *agent) { a.send(only()) },
		"the key of another":               func(a *agent) { a.send(otherKey) },
		"no bundle":                        func(a *agent) { a.send(noBundle) },
		"a bundle of others that is none":  func(a *agent) { a.send(badBundle) },
		"the identity is withdrawn":        func(a *agent) { a.fail(codes.PermissionDenied) },
		"the agent does not work":          func(a *agent) { a.fail(codes.Unavailable) },
		"the agent takes it for cancelled": func(a *agent) { a.fail(codes.Canceled) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkload(t, good(frontendID))
			bad(w.agent)
			w.await(t, false)
			require.Equal(t, "frontend", w.ID().ServiceAccount)
			w.agent.send(good(reviewsID))
			w.await(t, true)
			require.Equal(t, "reviews", w.ID().ServiceAccount)
		})
	}
}

// What go-spiffe can read can still be no good.
func TestAnswersOfTheWrongForm(t *testing.T) {
	ca := certtest.NewCA()
	var said bytes.Buffer
	var mu sync.Mutex
	w := &process{agent: newAgent(t), news: make(chan error, 100)}
	w.agent.send(only(identity(ca, frontendID, ca)))
	source, err := spiffe.New(spiffe.Config{Address: w.agent.address()})
	require.NoError(t, err)
	w.Identity, err = mtls.New(mtls.Config{
		Source: told{source.Hasten(), w.news}, Logger: slog.New(slog.NewTextHandler(locked{&mu, &said}, nil)),
	})
	require.NoError(t, err)
	run(t, w.Identity)
	w.await(t, true)
	w.agent.send(only(identity(ca, "spiffe://cluster.local/web", ca)))
	w.await(t, true) // it is mtls that finds fault with it
	mu.Lock()
	defer mu.Unlock()
	require.Contains(t, said.String(), "is not of the form spiffe://trust-domain/ns/namespace/sa/account")
	require.Equal(t, "frontend", w.ID().ServiceAccount)
}

type locked struct {
	*sync.Mutex
	io.Writer
}

func (l locked) Write(b []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Writer.Write(b)
}

func TestAnAgentThatComesBack(t *testing.T) {
	ca := certtest.NewCA()
	server := newWorkload(t, only(identity(ca, reviewsID, ca)))
	caller := newWorkload(t, only(identity(ca, frontendID, ca)))
	addr := server.serve(t)
	server.agent.stop()
	server.await(t, false)
	_, err := get(addr, caller.Client())
	require.NoError(t, err, "the service goes on")

	other := certtest.NewCA()
	server.agent.send(only(identity(other, reviewsID, other)))
	server.agent.start()
	server.await(t, true)
	_, err = get(addr, caller.Client())
	require.Error(t, err, "the news of the agent has come")
}

func TestReadWaitsForTheAgent(t *testing.T) {
	ca := certtest.NewCA()
	a := newAgent(t) // which knows nobody yet
	source, err := spiffe.New(spiffe.Config{Address: a.address()})
	require.NoError(t, err)
	got := make(chan error)
	go func() {
		_, err := mtls.New(mtls.Config{Source: source.Hasten()})
		got <- err
	}()
	<-a.asked
	a.send(only(identity(ca, frontendID, ca)))
	require.NoError(t, <-got)
}

func TestReadWaitsNotForEver(t *testing.T) {
	a := newAgent(t)
	for name, address := range map[string]string{"an agent that knows nobody": a.address(), "no agent": a.address() + "x"} {
		source, err := spiffe.New(spiffe.Config{Address: address, Wait: 100 * time.Millisecond})
		require.NoError(t, err)
		_, err = source.Hasten().Read()
		require.ErrorContains(t, err, "nothing good from "+address+" within 100ms", name)
	}
	a.fail(codes.InvalidArgument)
	source, err := spiffe.New(spiffe.Config{Address: a.address()})
	require.NoError(t, err)
	_, err = source.Read()
	require.ErrorContains(t, err, "InvalidArgument", "there is no use in waiting")
}

func TestOneOfSeveralIdentities(t *testing.T) {
	ca := certtest.NewCA()
	a := newAgent(t)
	a.send(only(identity(ca, frontendID, ca), identity(ca, reviewsID, ca)))
	read := func(id mtls.ID) (*mtls.Identity, error) {
		source, err := spiffe.New(spiffe.Config{Address: a.address(), ID: id, Wait: 3 * time.Second})
		require.NoError(t, err)
		return mtls.New(mtls.Config{Source: source})
	}
	i, err := read(mtls.ID{})
	require.NoError(t, err)
	require.Equal(t, "frontend", i.ID().ServiceAccount, "the first is the default")
	i, err = read(mtls.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "reviews"})
	require.NoError(t, err)
	require.Equal(t, "reviews", i.ID().ServiceAccount)
	_, err = read(mtls.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "ratings"})
	require.ErrorContains(t, err, "is not among the 2 identities")
}

func TestRunEndsWithItsContext(t *testing.T) {
	source, err := spiffe.New(spiffe.Config{Address: newAgent(t).address()})
	require.NoError(t, err)
	ctx, stop := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() { ended <- source.Watch(ctx, func(*mtls.Credentials, error) {}) }()
	reason := errors.New("enough")
	stop(reason)
	require.Equal(t, reason, <-ended)
}

func TestAllProblemsAreReported(t *testing.T) {
	t.Setenv("SPIFFE_ENDPOINT_SOCKET", "")
	fields := func(c spiffe.Config) (all []string) {
		_, err := spiffe.New(c)
		for p := range mesh.Problems(err) {
			all = append(all, p.Field)
		}
		return all
	}
	require.Equal(t, []string{"spiffe.Address", "spiffe.ID", "spiffe.Wait"}, fields(spiffe.Config{ID: mtls.ID{TrustDomain: "A"}, Wait: -1}))
	require.Equal(t, []string{"spiffe.Address"}, fields(spiffe.Config{Address: "agent.sock"}))
	t.Setenv("SPIFFE_ENDPOINT_SOCKET", "unix:///run/agent.sock")
	require.Empty(t, fields(spiffe.Config{}))
}
