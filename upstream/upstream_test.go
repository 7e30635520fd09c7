package upstream_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/upstream"
)

func TestANameAndEndpointsAreEnough(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) }))
	defer server.Close()
	u, err := upstream.New(upstream.Config{Name: "reviews", Endpoints: lb.Addrs(strings.TrimPrefix(server.URL, "http://"))})
	require.NoError(t, err)
	defer u.Close()
	client := &http.Client{Transport: u}
	for range 10 {
		res, err := client.Get("http://reviews/")
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, "reviews", string(text))
	}
	require.EqualValues(t, 1, u.Stats().Connections.Opened)
}

func TestWithoutEndpointsRequestsAreRefused(t *testing.T) {
	u, err := upstream.New(upstream.Config{Name: "reviews"})
	require.NoError(t, err)
	defer u.Close()
	_, err = (&http.Client{Transport: u}).Get("http://reviews/")
	require.Equal(t, mesh.NoHealthyUpstream, mesh.FlagOf(err))
	require.Equal(t, mesh.NotSent, mesh.StageOf(err))
}
