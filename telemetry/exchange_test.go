package telemetry_test

import (
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/telemetry"
)

var (
	frontend = mesh.Workload{Name: "frontend-v1", Namespace: "shop", App: "frontend", CanonicalService: "frontend", Cluster: "Kubernetes"}
	backend  = mesh.Workload{Name: "backend-v2", Namespace: "shop", App: "backend", CanonicalService: "backend", Cluster: "Kubernetes"}
)

const (
	headerID       = "X-Envoy-Peer-Metadata-Id"
	headerMetadata = "X-Envoy-Peer-Metadata"
)

// told is a sink that keeps the last record.
func told(to *access.Record) access.Sink {
	return func(_ context.Context, r access.Record) { *to = r }
}

func TestEachSideLearnsWhoTheOtherIs(t *testing.T) {
	for _, status := range []int{200, 204} { // with a body and without one
		var called, served access.Record
		names := telemetry.NewExchange(backend)
		server := httptest.NewServer(names.Handler(told(&served).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			require.Empty(t, r.Header[headerMetadata], "the application does not see it")
			require.Empty(t, r.Header[headerID])
			w.WriteHeader(status)
			if status == 200 {
				io.WriteString(w, "hello")
			}
		}))))
		wire := new(http.Transport)
		client := &http.Client{Transport: mesh.Chain(told(&called).Transport, telemetry.NewExchange(frontend).Transport)(wire)}
		r, err := http.NewRequest("GET", server.URL, nil)
		require.NoError(t, err)
		res, err := client.Do(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		res.Body.Close()
		require.Empty(t, res.Header[headerMetadata], "nor does the caller")
		require.Empty(t, res.Header[headerID])
		require.Empty(t, r.Header, "the caller's request is as it was")
		server.Close()
		wire.CloseIdleConnections()
		require.Equal(t, &backend, called.Peer)
		require.Equal(t, &frontend, served.Peer)
	}
}

// serve has a handler with an Exchange answer a request.
func serve(t *testing.T, names *telemetry.Exchange, r *http.Request) (access.Record, *httptest.ResponseRecorder) {
	t.Helper()
	var served access.Record
	w := httptest.NewRecorder()
	names.Handler(told(&served).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))).ServeHTTP(w, r)
	return served, w
}

func TestWhoIsNotAskedDoesNotTell(t *testing.T) {
	served, w := serve(t, telemetry.NewExchange(backend), httptest.NewRequest("GET", "/", nil))
	require.Nil(t, served.Peer)
	require.Empty(t, w.Header())
}

func TestWhatCannotBeReadIsNobody(t *testing.T) {
	for name, value := range map[string]string{
		"no base64":      "???",
		"no metadata":    "Cgo=",
		"nothing in it":  "CgwKBkxBQkVMUxICKgA=",
		"far too much":   strings.Repeat("A", 100_000),
		"no valid UTF-8": "ChUKDVdPUktMT0FEX05BTUUSBBoC//4=",
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set(headerID, "a")
			r.Header.Set(headerMetadata, value)
			served, w := serve(t, telemetry.NewExchange(backend), r)
			require.Nil(t, served.Peer)
			require.NotEmpty(t, w.Header()[headerMetadata], "the caller knows of such names, and is told")
		})
	}
}

// metadataOf is the header's value by which a workload tells who it is.
func metadataOf(t *testing.T, w mesh.Workload) (value string) {
	t.Helper()
	layer := telemetry.NewExchange(w).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		value = r.Header.Get(headerMetadata)
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	}))
	_, err := layer.RoundTrip(httptest.NewRequest("GET", "/", nil))
	require.NoError(t, err)
	return value
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAnIDCannotBeTakenFromSomebodyElse(t *testing.T) {
	names := telemetry.NewExchange(backend)
	for _, w := range []mesh.Workload{{Name: "forger"}, frontend} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(headerID, "frontend")
		r.Header.Set(headerMetadata, metadataOf(t, w))
		served, _ := serve(t, names, r)
		require.Equal(t, w.Name, served.Peer.Name)
	}
}

func TestManyWorkloadsAreMet(t *testing.T) {
	names := telemetry.NewExchange(backend)
	for i := range 2000 {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(headerMetadata, metadataOf(t, mesh.Workload{Name: fmt.Sprint(i)}))
		served, _ := serve(t, names, r)
		require.Equal(t, fmt.Sprint(i), served.Peer.Name)
	}
}

func TestBaggageTellsWhoCalls(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Add("Baggage", "user=1;x=y, k8s.deployment.name=curl, service.name=curl,service.version=v1")
	r.Header.Add("Baggage", "k8s.namespace.name=default,k8s.cluster.name=curl%2Dcluster,k8s.pod.name=curl-1;p=1")
	served, w := serve(t, telemetry.NewExchange(backend), r)
	require.Equal(t, &mesh.Workload{
		Name: "curl", Namespace: "default", Instance: "curl-1", App: "curl", Version: "v1", CanonicalService: "curl", CanonicalRevision: "v1", Cluster: "curl-cluster",
	}, served.Peer)
	require.NotEmpty(t, r.Header["Baggage"], "it belongs to others, too")
	require.Empty(t, w.Header())
	r.Header.Set("Baggage", "user=1")
	served, _ = serve(t, telemetry.NewExchange(backend), r)
	require.Nil(t, served.Peer)
}

func TestTheLayersKeepTheContract(t *testing.T) {
	names := telemetry.NewExchange(backend)
	t.Run("transport", func(t *testing.T) { meshtest.TestTransport(t, names.Transport) })
	t.Run("handler", func(t *testing.T) { meshtest.TestHandler(t, names.Handler) })
}

// The server removes the files of a form that its own request has.
func TestTheServerIsToldOfTheFormThatAHandlerHasParsed(t *testing.T) {
	x := telemetry.NewExchange(backend)
	r := httptest.NewRequest(http.MethodPost, "/upload", nil)
	r.Header.Set("X-Envoy-Peer-Metadata-Id", "sidecar~10.0.0.1~web.shop~shop.svc.cluster.local")
	x.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.MultipartForm = new(multipart.Form) // as ParseMultipartForm does
	})).ServeHTTP(httptest.NewRecorder(), r)
	require.NotNil(t, r.MultipartForm)
}
