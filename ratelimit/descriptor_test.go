package ratelimit_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/ratelimit"
)

func TestDescriptors(t *testing.T) {
	user := ratelimit.Action{Key: "user", From: match.HeaderKey("X-User")}
	optional := user
	optional.Optional = true
	fixed := ratelimit.Action{Key: "generic_key", Value: "shop"}
	posts := []match.Request{{Method: match.Exact("POST")}}
	perPath, err := limit.PerPath("/orders/{*}", "/users/{*}/orders")
	require.NoError(t, err)
	caller := func(r *http.Request) {
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{
			URIs: []*url.URL{{Scheme: "spiffe", Host: "cluster.local", Path: "/ns/shop/sa/frontend"}},
		}}}}
	}
	header := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header["X-User"] = values }
	}
	nothing := func(*http.Request) {}
	for _, c := range []struct {
		name    string
		limits  []ratelimit.Limit
		request func(*http.Request)
		want    []string // nil: nobody is asked
	}{
		{"a header", limits(user), header("anna"), []string{"user=anna"}},
		{"a header that is not there", limits(user), nothing, nil},
		{"an empty header", limits(user), header(""), []string{"user="}},
		{"a header on two lines", limits(user), header("anna", "ben"), []string{"user=anna"}},
		{"an optional header that is not there", limits(fixed, optional), nothing, []string{"generic_key=shop"}},
		{"nothing but an optional header that is not there", limits(optional), nothing, nil},
		{"a fixed value", limits(fixed), nothing, []string{"generic_key=shop"}},
		{"several actions in their order", limits(fixed, user, ratelimit.Action{Key: "b", Value: "2"}), header("anna"), []string{"generic_key=shop,user=anna,b=2"}},
		{"one action of several without a value", limits(fixed, user), nothing, nil},
		{"several descriptors", append(limits(user), limits(fixed)...), header("anna"), []string{"user=anna", "generic_key=shop"}},
		{"one descriptor of several", append(limits(user), limits(fixed)...), nothing, []string{"generic_key=shop"}},
		{"the address of the caller", limits(ratelimit.Action{Key: "remote_address", From: match.PeerKey()}), nothing, []string{"remote_address=192.0.2.1"}},
		{"a template of the path", limits(ratelimit.Action{Key: "path", From: perPath}), func(r *http.Request) { r.URL.Path = "/orders/17" }, []string{"path=/orders/{*}"}},
		{"a path that fits no template", limits(ratelimit.Action{Key: "path", From: perPath}), nothing, nil},
		{"the identity of the caller", limits(ratelimit.Action{Key: "caller", From: limit.PerIdentity}), caller, []string{"caller=cluster.local/ns/shop/sa/frontend"}},
		{"no identity", limits(ratelimit.Action{Key: "caller", From: limit.PerIdentity}), nothing, nil},
		{"a request that fits", limits(ratelimit.Action{Key: "header_match", Value: "post", When: posts}), func(r *http.Request) { r.Method = "POST" }, []string{"header_match=post"}},
		{"a request that does not fit", limits(ratelimit.Action{Key: "header_match", Value: "post", When: posts}), nothing, nil},
		{"a request that must not fit", limits(ratelimit.Action{Key: "header_match", Value: "get", Unless: posts}), nothing, []string{"header_match=get"}},
		{"a request that fits and must not", limits(ratelimit.Action{Key: "header_match", Value: "get", Unless: posts}), func(r *http.Request) { r.Method = "POST" }, nil},
		{"an optional entry of a request that does not fit", limits(fixed, ratelimit.Action{Key: "user", From: match.HeaderKey("X-User"), Optional: true, When: posts}), header("anna"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t)
			config := perUser(s)
			config.Limits = c.limits
			r := httptest.NewRequest("GET", "/", nil)
			c.request(r)
			client := must(t, config)
			client.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
			if c.want == nil {
				require.Empty(t, s.questions())
				require.Equal(t, ratelimit.Stats{Unasked: 1}, client.Stats())
				return
			}
			require.Equal(t, [][]string{c.want}, s.questions())
			require.Equal(t, "test", s.asked[0].Domain)
			require.Zero(t, s.asked[0].HitsAddend, "which stands for one")
		})
	}
}

func TestARequestCountsAsMuchAsToldToTheService(t *testing.T) {
	s := newService(t)
	s.limit("user=anna", 10)
	config := perUser(s)
	config.Hits = func(r *http.Request) uint32 { return uint32(r.ContentLength) }
	h := must(t, config).Handler(http.NotFoundHandler())
	for _, want := range []int{404, 404, 429} {
		r := httptest.NewRequest("GET", "/", nil)
		r.ContentLength = 4
		r.Header.Set("X-User", "anna")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, want, w.Code)
	}
}
