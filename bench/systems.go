package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/sidecarless/mesh/bench/internal/macro"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

// systems are the clients of whole systems.
var systems = macro.Clients{
	"direct": direct,
	"floor": func(t macro.Target) (http.RoundTripper, error) {
		last, err := plain(t)
		if err != nil {
			return nil, err
		}
		return newFloor(last, true, t.Stable, t.Canary), nil
	},
	"ours": func(t macro.Target) (http.RoundTripper, error) {
		config, err := secure(t)
		if err != nil {
			return nil, err
		}
		s := stack{stable: lb.Addrs(t.Stable...), canary: lb.Addrs(t.Canary...), timeout: true, tls: config}
		s.connections.Protocol = upstream.HTTP1
		if t.HTTP2 {
			s.connections.Protocol = upstream.HTTP2
		}
		return s.build(), nil
	},
	"ours-yaml": fromYAML,
	"backoff-gobreaker": func(t macro.Target) (http.RoundTripper, error) {
		last, err := direct(t)
		return backingOff(guarded(last)), err
	},
	"failsafe": func(t macro.Target) (http.RoundTripper, error) {
		last, err := direct(t)
		return failsafeStack(last, true, true), err
	},
}

// plain is net/http's transport, for as many connections as there are requests.
func plain(t macro.Target) (*http.Transport, error) {
	config, err := secure(t)
	if err != nil {
		return nil, err
	}
	p := new(http.Protocols)
	switch {
	case !t.HTTP2:
		p.SetHTTP1(true)
	case config != nil:
		p.SetHTTP2(true)
	default:
		p.SetUnencryptedHTTP2(true)
	}
	return &http.Transport{TLSClientConfig: config, Protocols: p, MaxIdleConnsPerHost: 1024, DisableCompression: true}, nil
}

// secure is how servers are verified; nil is without TLS.
func secure(t macro.Target) (*tls.Config, error) {
	if t.Roots == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(t.Roots)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("the roots are no certificates")
	}
	return &tls.Config{RootCAs: roots, ServerName: macro.Hostname}, nil
}

// direct goes to the stable servers in turn, without any policy.
func direct(t macro.Target) (http.RoundTripper, error) {
	last, err := plain(t)
	if err != nil {
		return nil, err
	}
	scheme := "http"
	if t.Roots != "" {
		scheme = "https"
	}
	var turn atomic.Uint64
	return transport(func(r *http.Request) (*http.Response, error) {
		own, url := r.WithContext(r.Context()), *r.URL
		url.Scheme, url.Host = scheme, t.Stable[turn.Add(1)%uint64(len(t.Stable))]
		own.URL = &url
		return last.RoundTrip(own)
	}), nil
}

// fromYAML is the stack of mesh.yaml, whose addresses lead to the target's.
func fromYAML(t macro.Target) (http.RoundTripper, error) {
	text := resources
	if t.HTTP2 {
		text = bytes.Replace(text, []byte("      http: {"), []byte("      http: {h2UpgradePolicy: UPGRADE, "), 1)
	}
	if t.Roots != "" {
		text = bytes.Replace(text, []byte("  trafficPolicy:\n"), fmt.Appendf(nil,
			"  trafficPolicy:\n    tls: {mode: SIMPLE, sni: %s, subjectAltNames: [%[1]s], caCertificates: %[2]s}\n", macro.Hostname, t.Roots), 1)
	}
	config, err := istio.Parse("mesh.yaml", bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	to := map[string]string{
		"10.0.0.1:80": t.Stable[0], "10.0.0.2:80": t.Stable[1], "10.0.0.3:80": t.Stable[0],
		"10.0.1.1:80": t.Canary[0], "10.0.1.2:80": t.Canary[0], "10.0.1.3:80": t.Canary[0],
	}
	return istio.NewClient(config, istio.ClientConfig{
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, to[addr])
		},
	})
}
