package mtls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/mtls"
)

const partnerID = "spiffe://partner.local/ns/shop/sa/frontend"

// A source gives what a test puts into it.
type source struct {
	now  *mtls.Credentials
	tell chan *mtls.Credentials // to those who watch
}

func (s *source) Read() (*mtls.Credentials, error) {
	if s.now == nil {
		return nil, errors.New("nobody is there")
	}
	return s.now, nil
}

func (s *source) Watch(ctx context.Context, tell func(*mtls.Credentials, error)) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case s.now = <-s.tell:
			tell(s.Read())
		}
	}
}

func rootOf(t testing.TB, ca *certtest.CA) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(ca.PEM)
	c, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return c
}

// federated are credentials of a workload with the roots of trust domains.
func federated(t testing.TB, id string, ca *certtest.CA, roots map[string]*certtest.CA) *mtls.Credentials {
	t.Helper()
	k := &mtls.Credentials{Certificate: issue(t, ca, id), Roots: map[string][]*x509.Certificate{}}
	for domain, root := range roots {
		k.Roots[domain] = []*x509.Certificate{rootOf(t, root)}
	}
	return k
}

func identityOf(t testing.TB, k *mtls.Credentials, aliases ...string) *workload {
	t.Helper()
	i, err := mtls.New(mtls.Config{Source: &source{now: k}, Aliases: aliases})
	require.NoError(t, err)
	return &workload{Identity: i}
}

func TestARootSignsForItsOwnTrustDomain(t *testing.T) {
	own, partner := certtest.NewCA(), certtest.NewCA()
	both := map[string]*certtest.CA{"cluster.local": own, "partner.local": partner}
	for _, c := range []struct {
		name     string
		roots    map[string]*certtest.CA
		aliases  []string
		id       string
		ca       *certtest.CA
		admitted bool
	}{
		{"a workload of the mesh", both, []string{"partner.local"}, frontendID, own, true},
		{"a workload of an alias by its own root", both, []string{"partner.local"}, partnerID, partner, true},
		{"a workload of the mesh by the root of another domain", both, []string{"partner.local"}, frontendID, partner, false},
		{"a workload of an alias by the root of the mesh", both, []string{"partner.local"}, partnerID, own, false},
		{"a workload of a domain that is known and no alias", both, nil, partnerID, partner, false},
		{"a workload of the mesh by the root of a domain that is no alias", both, nil, frontendID, partner, false},
		{"a workload of an alias without roots", map[string]*certtest.CA{"cluster.local": own}, []string{"partner.local"}, partnerID, own, false},
		{"a root for all domains", map[string]*certtest.CA{"": own}, []string{"partner.local"}, partnerID, own, true},
		{"a root for all domains beside that of the alias", map[string]*certtest.CA{"": own, "partner.local": partner}, []string{"partner.local"}, partnerID, own, false},
		{"the root of the alias beside one for all", map[string]*certtest.CA{"": own, "partner.local": partner}, []string{"partner.local"}, partnerID, partner, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			me := identityOf(t, federated(t, reviewsID, own, c.roots), c.aliases...)
			other := identityOf(t, federated(t, c.id, c.ca, map[string]*certtest.CA{"": own}), "cluster.local", "partner.local")
			for name, ask := range map[string]func() error{
				"as a caller": func() error {
					_, err := get(t, me.server(t, mtls.Strict), other.Client(), false)
					return err
				},
				"as a server": func() error {
					// It takes any caller, so that only the caller's word counts.
					l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{issue(t, c.ca, c.id)}})
					require.NoError(t, err)
					defer l.Close()
					done := make(chan struct{})
					go func() {
						defer close(done)
						if conn, err := l.Accept(); err == nil {
							conn.(*tls.Conn).Handshake() //nolint:errcheck // the client tells
							conn.Close()
						}
					}()
					conn, err := tls.Dial("tcp", l.Addr().String(), me.Client())
					if err == nil {
						conn.Close()
					}
					<-done
					return err
				},
			} {
				err := ask()
				require.Equal(t, c.admitted, err == nil, "%s: %v", name, err)
			}
		})
	}
}

// A trust domain that leaves ends also the sessions that were begun with it.
func TestASessionDoesNotOutliveItsTrustDomain(t *testing.T) {
	own, partner := certtest.NewCA(), certtest.NewCA()
	both := federated(t, reviewsID, own, map[string]*certtest.CA{"cluster.local": own, "partner.local": partner})
	for name, after := range map[string]*mtls.Credentials{
		"its bundle has gone":     federated(t, reviewsID, own, map[string]*certtest.CA{"cluster.local": own}),
		"its bundle is another":   federated(t, reviewsID, own, map[string]*certtest.CA{"cluster.local": own, "partner.local": certtest.NewCA()}),
		"its root signs for more": federated(t, reviewsID, own, map[string]*certtest.CA{"cluster.local": partner, "partner.local": own}),
	} {
		t.Run(name, func(t *testing.T) {
			s := &source{now: both}
			i, err := mtls.New(mtls.Config{Source: s, Aliases: []string{"partner.local"}})
			require.NoError(t, err)
			addr := (&workload{Identity: i}).server(t, mtls.Strict)
			resumed := false
			config := &tls.Config{
				Certificates: []tls.Certificate{issue(t, partner, partnerID)}, InsecureSkipVerify: true,
				ClientSessionCache: tls.NewLRUClientSessionCache(1),
				VerifyConnection:   func(s tls.ConnectionState) error { resumed = s.DidResume; return nil },
			}
			for range 2 {
				_, err := get(t, addr, config, false)
				require.NoError(t, err)
			}
			require.True(t, resumed, "the second connection resumes the session of the first")
			s.now = after
			require.NoError(t, i.Reload())
			_, err = get(t, addr, config, false)
			require.Error(t, err)
		})
	}
}

func TestSourcesThatAreNotGood(t *testing.T) {
	ca := certtest.NewCA()
	good := func() *mtls.Credentials {
		return federated(t, frontendID, ca, map[string]*certtest.CA{"cluster.local": ca})
	}
	for name, k := range map[string]*mtls.Credentials{
		"nothing":              {},
		"no certificate":       {Roots: good().Roots},
		"no roots":             {Certificate: good().Certificate},
		"an empty bundle":      {Certificate: good().Certificate, Roots: map[string][]*x509.Certificate{"cluster.local": {}}},
		"roots of others only": federated(t, frontendID, ca, map[string]*certtest.CA{"partner.local": ca}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mtls.New(mtls.Config{Source: &source{now: k}})
			var p *mesh.Problem
			require.ErrorAs(t, err, &p)
			require.Equal(t, "mtls.Source", p.Field)

			s := &source{now: good()}
			i, err := mtls.New(mtls.Config{Source: s})
			require.NoError(t, err)
			s.now = k
			require.Error(t, i.Reload())
			require.Equal(t, "frontend", i.ID().ServiceAccount, "the last good ones stay in force")
		})
	}
	_, err := mtls.New(mtls.Config{Source: &source{}})
	require.EqualError(t, err, "nobody is there")
	_, err = mtls.New(mtls.Config{Source: &source{now: good()}, KeyFile: "key.pem"})
	require.ErrorContains(t, err, "mtls.KeyFile")
}

func TestASourceThatIsWatched(t *testing.T) {
	ca := certtest.NewCA()
	k := federated(t, frontendID, ca, map[string]*certtest.CA{"": ca})
	s := &source{now: k, tell: make(chan *mtls.Credentials)}
	i, err := mtls.New(mtls.Config{Source: s})
	require.NoError(t, err)
	ctx, stop := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() { ended <- i.Run(ctx) }()

	s.tell <- federated(t, reviewsID, ca, map[string]*certtest.CA{"": ca})
	s.tell <- nil // which is taken when all has been done about what came before
	require.Equal(t, "reviews", i.ID().ServiceAccount)

	reason := errors.New("enough")
	stop(reason)
	require.Equal(t, reason, <-ended)
}
