package otelmesh_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/telemetry/otelmesh"
)

// childOf makes this binary the other process of a test: a service that asks the
// address in this environment variable for each request, and tells it its spans.
const childOf = "MESHOTEL_TEST_CHILD_OF"

func child(parent string) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter(parent)))
	tracing, err := otelmesh.New(otelmesh.Config{Tracer: provider, Inject: otelmesh.B3})
	if err != nil {
		panic(err)
	}
	client := http.Client{Transport: mesh.Chain(tracing.Transport, tracing.Attempt)(new(http.Transport))}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(l, tracing.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+parent+"/ratings", nil)
		if err != nil {
			panic(err)
		}
		res, err := client.Do(out)
		if err != nil {
			panic(err)
		}
		defer res.Body.Close()
		io.Copy(w, res.Body)
	})))
	fmt.Println(l.Addr())
	io.Copy(io.Discard, os.Stdin) // until the parent is done
}

// exporter sends spans to a collector.
type exporter string

func (e exporter) ExportSpans(_ context.Context, all []sdktrace.ReadOnlySpan) error {
	var out []told
	for _, one := range all {
		out = append(out, toldOf("there", one))
	}
	body, err := json.Marshal(out)
	if err != nil {
		return err
	}
	res, err := http.Post("http://"+string(e)+"/spans", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func (exporter) Shutdown(context.Context) error { return nil }

// startChild runs the other process until the test ends, and tells its address.
func startChild(t *testing.T, parent string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childOf+"="+parent)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(address)
}

// From here to another process and back again, by W3C there and by B3 back.
func TestTracesJoinOverTwoProcesses(t *testing.T) {
	s := newSpans(t)
	others := new(collector)
	mux := http.NewServeMux()
	mux.Handle("/spans", others)
	mux.Handle("/ratings", s.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "five stars") })))
	url, client := serve(t, mux)
	there := startChild(t, strings.TrimPrefix(url, "http://"))

	r := get(t, "http://"+there+"/reviews")
	r.Header.Set("X-Request-Id", "my-id")
	status, err := send(t, mesh.Chain(s.Transport, s.Attempt)(client), r)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	all := eventuallyTold(t, 6, s, others)
	require.Equal(t, `here internal
here client
there server
there internal
there client
here server
`, chain(t, all))
	for _, one := range all {
		if one.Kind != "client" {
			require.Equal(t, "my-id", one.RequestID)
		}
	}
}
