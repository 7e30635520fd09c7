package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/corpus"
)

// notOurs are causes of replies that no layer of this module has.
var notOurs = []string{
	"via_upstream", "direct_response", "maintenance_mode", "drop_overload", "downstream_remote_disconnect",
	"missing_host_header", "low_version", "path_normalization_failed", "request_overall_timeout", "http1.",
	"upstream_reset_after_response_started",
}

// TestLocalReplies makes the replies that Envoy made for the same causes.
func TestLocalReplies(t *testing.T) {
	type reply struct {
		ID       string
		Attempts int
		Body     string
		Details  string
		Flags    string
		Headers  map[string]string
		Status   int
		LogCode  int `json:"log_code"`
	}
	played := 0
	for _, c := range corpus.Cases[reply](t, "envoy/local_replies") {
		if hasAnyPrefix(c.Details, notOurs) || c.ID == "internal-timeout-alt" {
			continue
		}
		played++
		t.Run(c.ID, func(t *testing.T) {
			refusal := &mesh.Error{
				Flag: mesh.Flag(strings.TrimPrefix(c.Flags, "-")), Details: c.Details,
				Status: c.Status, Retried: c.Attempts > 1,
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if c.Headers["content-type"] == "application/grpc" {
				r.Header.Set("Content-Type", "application/grpc+proto")
				refusal.Status = map[string]int{"14": 503}[c.Headers["grpc-status"]]
			}
			if strings.HasPrefix(c.ID, "head") {
				r.Method = http.MethodHead
			}
			recorder := httptest.NewRecorder()
			mesh.WriteError(recorder, r, refusal)
			for how, res := range map[string]*http.Response{
				"as an answer": mesh.ResponseFor(r, refusal),
				"by a handler": recorder.Result(),
			} {
				require.Equal(t, c.Status, res.StatusCode, how)
				body, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.Equal(t, c.Body, string(body), how)
				headers := map[string]string{"server": "envoy"}
				for name, values := range res.Header {
					headers[strings.ToLower(name)] = strings.Join(values, "|")
				}
				require.Equal(t, c.Headers, headers, how)
			}
		})
	}
	require.Greater(t, played, 20)
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

func TestGRPCRepliesHaveAStatusInHeaders(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Content-Type", "application/grpc")
	for status, want := range map[int]string{200: "2", 400: "13", 401: "16", 403: "7", 404: "12", 429: "14", 502: "14", 503: "14", 504: "14", 500: "2", 418: "2"} {
		res := mesh.ResponseFor(r, &mesh.Error{Status: status, Details: "rbac_access_denied_matched_policy[none]"})
		require.Equal(t, 200, res.StatusCode)
		require.Equal(t, want, res.Header.Get("Grpc-Status"), "%d", status)
		require.Equal(t, "RBAC: access denied", res.Header.Get("Grpc-Message"))
	}
	res := mesh.ResponseFor(r, &mesh.Error{Status: 404, Details: mesh.DetailsRouteNotFound})
	require.NotContains(t, res.Header, "Grpc-Message")
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestErrorsAsResponses(t *testing.T) {
	refusal := &mesh.Error{Op: "lb", Flag: mesh.NoHealthyUpstream, Status: 503, Details: mesh.DetailsNoHealthyUpstream}
	gone, leave := context.WithCancel(context.Background())
	leave()
	late, end := context.WithTimeoutCause(context.Background(), 0, &mesh.Error{Flag: mesh.UpstreamTimeout, Status: 504, Details: mesh.DetailsResponseTimeout})
	defer end()
	for name, tt := range map[string]struct {
		ctx    context.Context
		err    error
		status int // zero where the error stays one
	}{
		"a refusal":             {context.Background(), refusal, 503},
		"a transport's failure": {context.Background(), io.EOF, 503},
		"the caller left":       {gone, context.Canceled, 0},
		"the caller left, whatever the transport says": {gone, io.EOF, 0},
		"a bound of ours": {late, context.Cause(late), 504},
	} {
		t.Run(name, func(t *testing.T) {
			layer := mesh.ErrorsAsResponses(roundTripper(func(*http.Request) (*http.Response, error) { return nil, tt.err }))
			res, err := layer.RoundTrip(httptest.NewRequest("GET", "/", nil).WithContext(tt.ctx))
			if tt.status == 0 {
				require.Nil(t, res)
				require.Equal(t, tt.err, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.status, res.StatusCode)
			require.Equal(t, tt.err, mesh.ErrorOf(res), "the error is lost")
			require.NoError(t, res.Body.Close())
		})
	}
	good := &http.Response{StatusCode: 200, Body: http.NoBody}
	res, err := mesh.ErrorsAsResponses(roundTripper(func(*http.Request) (*http.Response, error) { return good, nil })).RoundTrip(nil)
	require.NoError(t, err)
	require.Same(t, good, res)
	require.NoError(t, mesh.ErrorOf(res))
	require.NoError(t, mesh.ErrorOf(nil))
}

// An [http.Client] with a Timeout puts a body of its own around the answer's.
func TestTheErrorBehindAReplyIsFoundThroughAClientWithATimeout(t *testing.T) {
	refusal := &mesh.Error{Op: "lb", Flag: mesh.NoHealthyUpstream, Status: 503, Details: mesh.DetailsNoHealthyUpstream}
	client := http.Client{
		Transport: mesh.ErrorsAsResponses(roundTripper(func(*http.Request) (*http.Response, error) { return nil, refusal })),
		Timeout:   time.Minute,
	}
	res, err := client.Get("http://reviews/")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, refusal, mesh.ErrorOf(res))
	require.Equal(t, "http://reviews/", res.Request.URL.String())
}

func TestWriteErrorTellsNothingOfForeignErrors(t *testing.T) {
	w := httptest.NewRecorder()
	mesh.WriteError(w, httptest.NewRequest("GET", "/", nil), errors.New("password=secret"))
	require.Equal(t, 503, w.Code)
	require.NotContains(t, w.Body.String(), "secret")
	w = httptest.NewRecorder()
	mesh.WriteError(w, httptest.NewRequest("GET", "/", nil), nil)
	require.Empty(t, w.Header())
}

func TestATextOfItsOwnIsTheReply(t *testing.T) {
	refusal := &mesh.Error{Status: 401, Details: "ext_authz_denied", Text: "log in", Header: http.Header{"Content-Type": {"text/html"}}}
	w := httptest.NewRecorder()
	mesh.WriteError(w, httptest.NewRequest(http.MethodGet, "/", nil), refusal)
	require.Equal(t, "401 log in text/html", fmt.Sprint(w.Code, " ", w.Body, " ", w.Header().Get("Content-Type")))
}
