package upstream

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/breaker"
)

func TestWhereARequestIsSent(t *testing.T) {
	for _, c := range []struct {
		name, url, host string
		addr, verify    string
	}{
		{"plain text", "http://10.0.0.1:9080/", "reviews", "10.0.0.1:9080", ""},
		{"without a port", "http://reviews/", "", "reviews:80", ""},
		{"TLS without a port", "https://reviews/", "", "reviews:443", "reviews"},
		{"TLS to an address, for the Host of the request", "https://10.0.0.1:9443/", "reviews.example:443", "10.0.0.1:9443", "reviews.example"},
		{"TLS to an address that is its own name", "https://[::1]:9443/", "", "[::1]:9443", "::1"},
		{"IPv6 without a port", "http://[::1]/", "", "[::1]:80", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := testPool(t, Connections{}, nil, breaker.LimitsConfig{}, nil)
			r, err := http.NewRequest(http.MethodGet, c.url, nil)
			require.NoError(t, err)
			r.Host = c.host
			require.Equal(t, target{c.addr, c.verify}, p.target(r))
		})
	}
}

func FuzzHostname(f *testing.F) {
	for _, s := range []string{"a", "a:80", "[::1]", "[::1]:80", "", ":", "[", "]", "[]:", "1.2.3.4:5", "a:b:c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := hostname(s)
		u, err := url.Parse("http://" + s + "/")
		if err != nil || u.Host != s || strings.ContainsAny(s, "@%") {
			return // no host that a request can have
		}
		require.Equal(t, u.Hostname(), got)
		if host, _, err := net.SplitHostPort(s); err == nil {
			require.Equal(t, host, got)
			require.True(t, hasPort(s))
		}
	})
}
