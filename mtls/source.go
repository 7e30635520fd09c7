package mtls

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/internal/revocation"
)

// A Source is where an [Identity] comes from if not from files.
type Source interface {
	// Read is what there is now. It has to come to an end by itself.
	Read() (*Credentials, error)

	// Watch tells what there is from now on, each time it may have changed, or an
	// error where something is amiss, until ctx ends or there is nothing more to
	// wait for. It returns why it ended. It calls tell once at a time, and starts no
	// goroutine that outlives it.
	Watch(ctx context.Context, tell func(*Credentials, error)) error
}

// Credentials are who a workload is and by which roots it knows others. What is
// handed over stays as it is.
type Credentials struct {
	// Certificate is the chain with the workload's certificate first, and its key.
	Certificate tls.Certificate

	// Roots sign the workloads of a trust domain, which is their key in the map;
	// those under "" sign for each trust domain that has none of its own.
	Roots map[string][]*x509.Certificate

	// Revoked are lists of certificates that are not good any more. If there are any,
	// each authority in a chain must have one that is in time.
	Revoked []*x509.RevocationList
}

// files are a Source of files, of which the last may be missing.
type files struct {
	names    [3]file
	revoked  string
	interval time.Duration
}

type file struct{ field, name string }

func (c *Config) files() files {
	return files{[3]file{{"CertFile", c.CertFile}, {"KeyFile", c.KeyFile}, {"RootsFile", c.RootsFile}}, c.RevokedFile, c.Interval}
}

// Read implements Source. It reports every problem with the files.
func (f files) Read() (*Credentials, error) {
	l := check.List{Prefix: "mtls"}
	var text [3][]byte
	for n, f := range f.names {
		var err error
		if text[n], err = os.ReadFile(f.name); err != nil {
			l.Add(f.field, f.name, "cannot be read: %v", err)
		}
	}
	if err := l.Err(); err != nil {
		return nil, err
	}
	c := new(Credentials)
	var err error
	if c.Certificate, err = tls.X509KeyPair(text[0], text[1]); err != nil {
		l.Add("CertFile", f.names[0].name, "does not go with its key: %v", err)
	}
	roots, err := certificates(text[2])
	if err != nil {
		l.Add("RootsFile", f.names[2].name, "%v", err)
	}
	c.Roots = map[string][]*x509.Certificate{"": roots}
	if f.revoked != "" {
		text, err := os.ReadFile(f.revoked)
		if err != nil {
			l.Add("RevokedFile", f.revoked, "cannot be read: %v", err)
		} else if c.Revoked, err = revocation.Parse(text); err != nil {
			l.Add("RevokedFile", f.revoked, "%v", err)
		}
	}
	return c, l.Err()
}

// Watch implements Source: it reads the files again and again.
func (f files) Watch(ctx context.Context, tell func(*Credentials, error)) error {
	tick := time.NewTicker(f.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			tell(f.Read())
		}
	}
}

// certificates are all those of a file, which must hold nothing else.
func certificates(text []byte) (all []*x509.Certificate, err error) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			switch {
			case len(all) == 0:
				return nil, errors.New("holds no certificate")
			case len(bytes.TrimSpace(rest)) > 0:
				return nil, fmt.Errorf("holds something behind certificate %d that is none", len(all))
			}
			return all, nil
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("holds a certificate %d that is none: %w", len(all)+1, err)
		}
		all, text = append(all, c), rest
	}
}
