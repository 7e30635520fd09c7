package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	sidecar "github.com/sidecarless/mesh"
)

func TestAnApplicationThatIsDownIsTriedThreeTimes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	app, err := newApplication(l.Addr().String())
	require.NoError(t, err)
	defer app.close()
	_, err = app.RoundTrip(httptest.NewRequest("POST", "http://reviews/", nil))
	require.Equal(t, sidecar.RetriesExhausted.With(sidecar.ConnectFailure), sidecar.FlagOf(err))
	require.Equal(t, "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: remote connection failure", sidecar.AsError(err).Body())
}

func TestACallOfGRPCEndsWithItsOwnTime(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer server.Close()
	app, err := newApplication(server.Listener.Addr().String())
	require.NoError(t, err)
	defer app.close()
	for _, own := range []string{"20m", "0m", "00S"} {
		r := httptest.NewRequest("POST", "http://reviews/", nil)
		r.Body = nil // as forward sends on what comes without one
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("Grpc-Timeout", own)
		_, err = app.RoundTrip(r)
		require.Error(t, err, own)
		require.Equal(t, "max_duration_timeout", sidecar.AsError(err).Details)
		require.Empty(t, sidecar.FlagOf(err))
		res := sidecar.ResponseFor(r, err)
		require.Equal(t, 200, res.StatusCode)
		require.Equal(t, "4", res.Header.Get("Grpc-Status"))
		require.Equal(t, "downstream duration timeout", res.Header.Get("Grpc-Message"))
	}
}
