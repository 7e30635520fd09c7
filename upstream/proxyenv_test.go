package upstream_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

// The proxy of the environment is for the world outside; whoever wants one on the
// way to endpoints gives a Dial that goes through it.
func TestTheProxyOfTheEnvironmentIsLeftToTheDialer(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://proxy.example:3128")
	}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	var asked []string
	u, err := upstream.New(upstream.Config{
		Name: "reviews", Endpoints: lb.Addrs("reviews.example:9080"),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			asked = append(asked, address)
			return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		},
	})
	require.NoError(t, err)
	defer u.Close()
	res, err := (&http.Client{Transport: u}).Get("http://reviews/")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, []string{"reviews.example:9080"}, asked)
}
