package access_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/meshtest"
)

func TestHandlerKeepsTheContract(t *testing.T) {
	meshtest.TestHandler(t, access.Sink(func(context.Context, access.Record) {}).Handler)
}

// served sends the text of one request, LF standing for CRLF, to a server for h
// and gives what was told of it, and what the server answered.
func served(t *testing.T, h http.HandlerFunc, request string) (access.Record, string) {
	t.Helper()
	log := newTold()
	s := httptest.NewUnstartedServer(access.Sink(log.Sink).Handler(h))
	s.Config.ErrorLog = discard
	s.Start()
	t.Cleanup(s.Close)
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	fmt.Fprint(c, strings.ReplaceAll(request, "\n", "\r\n"))
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	return log.one(t), string(answer)
}

const get = "GET /a?b HTTP/1.1\nHost: reviews\nConnection: close\n\n"

func TestServedRequests(t *testing.T) {
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		request string
		want    string // status, flags and details
		sent    int64
	}{
		{"an answer", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }, get, "200  via_upstream", 5},
		{"nothing is an empty answer", func(http.ResponseWriter, *http.Request) {}, get, "200  via_upstream", 0},
		{"a failure", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, get, "500  via_upstream", 0},
		{"a refusal", func(w http.ResponseWriter, r *http.Request) {
			mesh.WriteError(w, r, &mesh.Error{Op: "limit", Flag: mesh.RateLimited, Status: 429, Details: mesh.DetailsRateLimited})
		}, get, "429 RL local_rate_limited", int64(len("local_rate_limited"))},
		{"a refusal of access has no flag", func(w http.ResponseWriter, r *http.Request) {
			mesh.WriteError(w, r, &mesh.Error{Op: "authz", Flag: mesh.Denied, Status: 403, Details: "rbac_access_denied_matched_policy[none]"})
		}, get, "403  rbac_access_denied_matched_policy[none]", int64(len("RBAC: access denied"))},
		{"a panic before anything was written", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, get,
			"0 UC upstream_reset_before_response_started{connection_termination}", 0},
		{"a panic within the body", func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "hel")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, get, "200 UPE upstream_reset_after_response_started{protocol_error}", 3},
		{"what layers noted", func(w http.ResponseWriter, r *http.Request) {
			flow.Served(r).Tell().Flags, flow.Served(r).Tell().Details = mesh.FaultInjected, mesh.DetailsFaultAbort
			w.WriteHeader(418)
		}, get, "418 FI fault_filter_abort", 0},
		{"a connection taken over", func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
				c.Close()
			}
		}, get, "0  via_upstream", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := served(t, tt.handler, tt.request)
			require.Equal(t, tt.want, fmt.Sprint(got.Status, " ", got.Flags, " ", got.Details))
			require.Equal(t, tt.sent, got.Sent)
		})
	}
}

func TestWhatIsToldOfAServedRequest(t *testing.T) {
	got, answer := served(t, func(w http.ResponseWriter, r *http.Request) {
		flow.Served(r).Route, flow.Served(r).Upstream = "rule", "inbound|80||"
		r.Header.Set("X-Own", "the handler's")
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-A", "1")
		fmt.Fprintf(w, "%s!", body)
	}, "POST /a?b HTTP/1.1\nHost: reviews\nConnection: close\nContent-Length: 4\n\nfour")
	require.True(t, strings.HasSuffix(answer, "four!"))
	require.Equal(t, "POST", got.Method)
	require.Equal(t, "reviews", got.Host)
	require.Equal(t, "/a?b", got.Path)
	require.Equal(t, "HTTP/1.1", got.Protocol)
	require.Equal(t, "rule", got.Route)
	require.Equal(t, "inbound|80||", got.Upstream)
	require.EqualValues(t, 4, got.Received)
	require.EqualValues(t, 5, got.Sent)
	require.Equal(t, "1", got.Header.Get("X-A"))
	require.NotEmpty(t, got.Request.RemoteAddr)
	require.Positive(t, got.Duration)

	got, _ = served(t, func(http.ResponseWriter, *http.Request) {}, "GET / HTTP/1.0\nHost: reviews\n\n")
	require.Equal(t, "HTTP/1.0", got.Protocol)
}

// TestTheCallerLeft tells callers that leave a server before the answer, in it,
// and when they have it all.
func TestTheCallerLeft(t *testing.T) {
	for _, tt := range []struct {
		name  string
		write string // before the caller leaves
		want  string
	}{
		{"before the answer", "", "0 DC downstream_remote_disconnect"},
		{"within it", "HTTP/1.1 200 OK", "200 DC downstream_remote_disconnect"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := newTold()
			began := make(chan struct{})
			s := httptest.NewServer(access.Sink(log.Sink).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.write != "" {
					io.WriteString(w, "hello")
					http.NewResponseController(w).Flush()
				}
				close(began)
				<-r.Context().Done()
			})))
			defer s.Close()
			c, err := net.Dial("tcp", s.Listener.Addr().String())
			require.NoError(t, err)
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: reviews\r\n\r\n")
			<-began
			c.Close()
			got := log.one(t)
			require.Equal(t, tt.want, fmt.Sprint(got.Status, " ", got.Flags, " ", got.Details))
		})
	}
}

func TestTheCallerHasItAllAndLeaves(t *testing.T) {
	for _, tt := range []struct {
		name, method string
		write        func(http.ResponseWriter)
	}{
		{"a body of the length told", "GET", func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "hello")
		}},
		{"an answer to HEAD", "HEAD", func(w http.ResponseWriter) { w.Header().Set("Content-Length", "5") }},
		{"an answer without content", "GET", func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }},
		{"an answer that nothing has changed", "GET", func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotModified) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := newTold()
			s := httptest.NewServer(access.Sink(log.Sink).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tt.write(w)
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
			})))
			defer s.Close()
			c, err := net.Dial("tcp", s.Listener.Addr().String())
			require.NoError(t, err)
			fmt.Fprintf(c, "%s / HTTP/1.1\r\nHost: reviews\r\n\r\n", tt.method)
			res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: tt.method})
			require.NoError(t, err)
			_, err = io.ReadAll(res.Body)
			require.NoError(t, err)
			c.Close()
			require.Equal(t, "via_upstream", log.one(t).Details)
		})
	}
}
