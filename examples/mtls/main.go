// Command mtls starts a server in a process of its own that takes mutual TLS only,
// and tries to get in with good and bad certificates.
package main

import (
	"crypto/x509"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/sidecarless/mesh/internal/certtest"
)

const (
	frontend = "spiffe://cluster.local/ns/shop/sa/frontend"
	backend  = "spiffe://cluster.local/ns/shop/sa/backend"
)

func main() {
	log.SetFlags(0)
	do := run
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		do = func() error { return serve(os.Args[2]) }
	}
	if err := do(); err != nil {
		log.Fatal("mtls: ", err)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "mtls")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ca, foreign := certtest.NewCA(), certtest.NewCA()
	ca.Write(dir, backend)
	address, stop, err := start(dir)
	if err != nil {
		return err
	}
	defer stop()

	for _, try := range []struct {
		name     string
		ca       *certtest.CA
		id       string
		change   func(*x509.Certificate)
		admitted bool
	}{
		{"frontend of the mesh", ca, frontend, nil, true},
		{"expired", ca, frontend, expired, false},
		{"no SPIFFE id", ca, frontend, func(c *x509.Certificate) { c.URIs = nil }, false},
		{"another trust domain", ca, "spiffe://elsewhere/ns/shop/sa/frontend", nil, false},
		{"the right id, by a foreign root", foreign, frontend, nil, false},
		{"for servers only", ca, frontend, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, false},
	} {
		var changes []func(*x509.Certificate)
		if try.change != nil {
			changes = append(changes, try.change)
		}
		client := caller(ca, pair(try.ca.Issue(try.id, changes...)))
		answer, err := ask(client, "https://"+address)
		if err := report(try.name, answer, err, try.admitted); err != nil {
			return err
		}
	}
	answer, err := ask(http.DefaultClient, "http://"+address)
	if err := report("plain text", answer, err, false); err != nil {
		return err
	}

	// The server's root leaves the bundle. It notices within a second.
	foreign.Write(dir, backend)
	good := caller(foreign, pair(foreign.Issue(frontend)))
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if answer, err = ask(good, "https://"+address); err == nil || time.Now().After(end) {
			break
		}
	}
	if err := report("after rotation, by the new root", answer, err, true); err != nil {
		return err
	}
	answer, err = ask(caller(foreign, pair(ca.Issue(frontend))), "https://"+address)
	return report("after rotation, by the old root", answer, err, false)
}

func expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
}

// report prints what became of a caller; it is an error if that is not as it should
// be.
func report(name, answer string, err error, admitted bool) error {
	if (err == nil) != admitted {
		return fmt.Errorf("%s: %q, %v", name, answer, err)
	}
	if err != nil {
		answer = "refused"
	}
	fmt.Printf("%-33s  %s\n", name, answer)
	return nil
}
