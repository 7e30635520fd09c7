package demo

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPodsAreReachedByTheAddressOfTheResources(t *testing.T) {
	pods, err := Start(map[string]http.Handler{
		"10.0.0.1:80": Says("one"), "10.0.0.2:80": Fails(http.StatusTeapot),
	})
	require.NoError(t, err)
	defer pods.Close()
	transport := &http.Transport{DialContext: pods.Dial}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}

	text, err := Text(client, "http://10.0.0.1")
	require.NoError(t, err)
	require.Equal(t, "one", text)
	_, err = Text(client, "http://10.0.0.2")
	require.ErrorContains(t, err, "418")
	_, err = Text(client, "http://10.0.0.3")
	require.ErrorContains(t, err, "no pod has the address 10.0.0.3:80")
	require.Equal(t, 2, pods.Served())

	require.NoError(t, pods.Stop("10.0.0.1:80"))
	_, err = Text(client, "http://10.0.0.1")
	require.Error(t, err)
}

func TestFlowReturnsWhatThereWasUntilItWasStopped(t *testing.T) {
	first := make(chan struct{}, 1)
	stop := Flow(func() (string, error) {
		select {
		case first <- struct{}{}:
		default:
		}
		return "x", nil
	})
	<-first
	counts, err := stop()
	require.NoError(t, err)
	require.Positive(t, counts["x"])
	require.Equal(t, counts["x"], counts.Total())
}
