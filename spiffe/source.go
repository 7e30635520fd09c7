package spiffe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/mtls"
)

// Config says where the Workload API is and what to take of it.
type Config struct {
	// Address is that of the Workload API, such as unix:///run/spire/agent.sock or
	// tcp://127.0.0.1:8081; empty is what the variable SPIFFE_ENDPOINT_SOCKET of the
	// environment says.
	Address string

	// ID is the identity to take where the workload has several; zero is the first,
	// which the API has for its default.
	ID mtls.ID

	// Wait is how long Read waits for an agent that is not there yet, or does not
	// know the workload yet; zero is 30 s.
	Wait time.Duration
}

// A Source is a [mtls.Source]. It is made by [New], and holds no connection but
// while it reads or watches.
type Source struct {
	config Config
	pause  time.Duration // after an error; each further one adds one
}

// New makes a source and asks nothing yet. It reports every problem with the
// Config.
func New(c Config) (*Source, error) {
	l := check.List{Prefix: "spiffe"}
	if c.Address == "" {
		c.Address = os.Getenv(workloadapi.SocketEnv)
	}
	if c.Address == "" {
		l.Add("Address", nil, "is missing, and %s is not set", workloadapi.SocketEnv)
	} else if err := workloadapi.ValidateAddress(c.Address); err != nil {
		l.Add("Address", c.Address, "is none: %v", err)
	}
	if c.ID != (mtls.ID{}) {
		if _, err := mtls.ParseID(c.ID.String()); err != nil {
			l.Include("ID", err)
		}
	}
	l.NotNegative("Wait", c.Wait)
	if err := l.Err(); err != nil {
		return nil, err
	}
	if c.Wait == 0 {
		c.Wait = 30 * time.Second
	}
	return &Source{config: c, pause: time.Second}, nil
}

// Read implements [mtls.Source]. It waits for the first good answer.
func (s *Source) Read() (*mtls.Credentials, error) {
	// No deadline: the API would be told of it, and break off a little earlier with an
	// error that hides the last one.
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	defer time.AfterFunc(s.config.Wait, stop).Stop()
	var got *mtls.Credentials
	last := errors.New("no answer")
	ended := s.Watch(ctx, func(k *mtls.Credentials, err error) {
		switch {
		case got != nil, ctx.Err() != nil: // what comes of the end
		case err != nil:
			last = err
		default:
			got = k
			stop()
		}
	})
	switch {
	case got != nil:
		return got, nil
	case ctx.Err() == nil:
		return nil, ended
	}
	return nil, fmt.Errorf("spiffe: nothing good from %s within %v: %w", s.config.Address, s.config.Wait, last)
}

// Watch implements [mtls.Source]. While the API is away it asks again and again. It
// ends with ctx, or when the API says that it does not understand.
func (s *Source) Watch(ctx context.Context, tell func(*mtls.Credentials, error)) error {
	for {
		err := workloadapi.WatchX509Context(ctx, watcher{s, tell},
			workloadapi.WithAddr(s.config.Address),
			workloadapi.WithBackoffStrategy(pauses{one: s.pause}),
			workloadapi.WithDialOptions(grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: s.pause, Multiplier: 1.5, Jitter: 0.2, MaxDelay: mostPauses * s.pause},
				MinConnectTimeout: mostPauses * s.pause,
			})),
		)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if status.Code(err) != codes.Canceled {
			return fmt.Errorf("spiffe: %w", err)
		}
		// The API ended the stream with a word that go-spiffe takes for ours.
		select {
		case <-ctx.Done():
		case <-time.After(s.pause):
		}
	}
}

// watcher hands on what go-spiffe has read.
type watcher struct {
	*Source
	tell func(*mtls.Credentials, error)
}

// OnX509ContextUpdate implements go-spiffe's X509ContextWatcher.
func (w watcher) OnX509ContextUpdate(x *workloadapi.X509Context) { w.tell(w.credentials(x)) }

// OnX509ContextWatchError implements go-spiffe's X509ContextWatcher.
func (w watcher) OnX509ContextWatchError(err error) { w.tell(nil, fmt.Errorf("spiffe: %w", err)) }

// credentials are what the source takes of an answer.
func (s *Source) credentials(x *workloadapi.X509Context) (*mtls.Credentials, error) {
	svid, err := s.choose(x.SVIDs)
	if err != nil {
		return nil, err
	}
	k := &mtls.Credentials{
		Certificate: tls.Certificate{PrivateKey: svid.PrivateKey, Leaf: svid.Certificates[0]},
		Roots:       map[string][]*x509.Certificate{},
	}
	for _, c := range svid.Certificates {
		k.Certificate.Certificate = append(k.Certificate.Certificate, c.Raw)
	}
	for _, b := range x.Bundles.Bundles() {
		k.Roots[b.TrustDomain().Name()] = b.X509Authorities()
	}
	if len(k.Roots[svid.ID.TrustDomain().Name()]) == 0 {
		return nil, fmt.Errorf("spiffe: %v comes without a bundle of its trust domain", svid.ID)
	}
	return k, nil
}

// choose is the identity that is asked for.
func (s *Source) choose(all []*x509svid.SVID) (*x509svid.SVID, error) {
	if s.config.ID == (mtls.ID{}) {
		return all[0], nil // there is one
	}
	for _, svid := range all {
		if svid.ID.String() == s.config.ID.String() {
			return svid, nil
		}
	}
	return nil, fmt.Errorf("spiffe: %v is not among the %d identities that the API gives", s.config.ID, len(all))
}
