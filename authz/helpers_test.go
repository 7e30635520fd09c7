package authz_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/internal/peer"
	"github.com/sidecarless/mesh/match"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

const (
	frontend = "cluster.local/ns/shop/sa/frontend"
	batch    = "cluster.local/ns/jobs/sa/batch"
)

func exact(values ...string) authz.Set {
	var s authz.Set
	for _, v := range values {
		s.In = append(s.In, match.Exact(v))
	}
	return s
}

func notExact(values ...string) authz.Set { return authz.Set{NotIn: exact(values...).In} }

func allow(rules ...authz.Rule) authz.Policy { return authz.Policy{Name: "allow", Rules: rules} }

func deny(rules ...authz.Rule) authz.Policy {
	return authz.Policy{Name: "deny", Action: authz.Deny, Rules: rules}
}

func from(s authz.Source) authz.Rule  { return authz.Rule{From: []authz.Source{s}} }
func to(o authz.Operation) authz.Rule { return authz.Rule{To: []authz.Operation{o}} }
func when(key string, values authz.Set) authz.Rule {
	return authz.Rule{When: []authz.Condition{{Key: key, Values: values}}}
}

func whenNet(key string, nets authz.Nets) authz.Rule {
	return authz.Rule{When: []authz.Condition{{Key: key, Nets: nets}}}
}

func nets(prefixes ...string) authz.Nets {
	var n authz.Nets
	for _, p := range prefixes {
		n.In = append(n.In, netip.MustParsePrefix(p))
	}
	return n
}

func newAuthorizer(t testing.TB, c authz.Config) *authz.Authorizer {
	t.Helper()
	a, err := authz.New(c)
	require.NoError(t, err)
	return a
}

// A request as a test writes it: "GET /path" and what is changed in it.
func request(line string, change ...func(*http.Request)) *http.Request {
	method, target, _ := strings.Cut(line, " ")
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = "10.1.2.3:4567"
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 8080}))
	for _, f := range change {
		f(r)
	}
	return r
}

func by(principal string) func(*http.Request) {
	return func(r *http.Request) { *r = *r.WithContext(peer.With(r.Context(), principal)) }
}

func token(claims map[string]any) func(*http.Request) {
	return func(r *http.Request) { *r = *r.WithContext(peer.WithClaims(r.Context(), claims)) }
}

func withHeader(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

func host(h string) func(*http.Request)      { return func(r *http.Request) { r.Host = h } }
func remote(addr string) func(*http.Request) { return func(r *http.Request) { r.RemoteAddr = addr } }
func serverName(s string) func(*http.Request) {
	return func(r *http.Request) { r.TLS = &tls.ConnectionState{ServerName: s} }
}
