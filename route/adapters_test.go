package route_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/route"
)

func TestTransportKeepsTheContractOfALayer(t *testing.T) {
	meshtest.TestTransport(t, func(next http.RoundTripper) http.RoundTripper {
		return route.Transport(newTable(t, route.ClientRule{Name: "all", Value: next}))
	})
}

func TestHandlerKeepsTheContractOfALayer(t *testing.T) {
	meshtest.TestHandler(t, func(next http.Handler) http.Handler {
		return route.Handler(newTable(t, route.ServerRule{Name: "all", Value: next}))
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// closing is a body that knows how often it was closed.
type closing struct {
	io.Reader
	closed int
}

func (c *closing) Close() error { c.closed++; return nil }

func TestTransportHandsTheRequestItself(t *testing.T) {
	var got *http.Request
	client := route.Transport(newTable(t, route.ClientRule{Value: roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r
		return &http.Response{StatusCode: 204, Body: http.NoBody, Request: r}, nil
	})}))
	r := httptest.NewRequest("GET", "http://shop/", nil)
	res, err := client.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, 204, res.StatusCode)
	require.Same(t, r, got)
}

func TestTransportRefusesWhatNoRuleFits(t *testing.T) {
	for about, table := range map[string]*route.Table[http.RoundTripper]{
		"no rules":                  new(route.Table[http.RoundTripper]),
		"a rule that leads nowhere": newTable(t, route.ClientRule{Name: "empty"}),
	} {
		body := &closing{Reader: strings.NewReader("x")}
		r := httptest.NewRequest("POST", "http://shop/", nil)
		r.Body = body
		res, err := route.Transport(table).RoundTrip(r)
		require.Nil(t, res, about)
		require.Equal(t, 1, body.closed, about)
		var e *mesh.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "route", e.Op)
		require.Equal(t, mesh.NoRoute, e.Flag)
		require.Equal(t, 404, e.Status)
		require.Equal(t, mesh.NotSent, e.Stage)
		require.Equal(t, mesh.DetailsRouteNotFound, e.Details)
	}
}

func TestTransportNamesTheRule(t *testing.T) {
	shared := &mesh.Error{Op: "breaker", Flag: mesh.Overflow, Status: 503}
	wrapped := errors.Join(shared)
	other := errors.New("other")
	for _, c := range []struct {
		about     string
		err, want error
	}{
		{"an error of ours", shared, &mesh.Error{Op: "breaker", Flag: mesh.Overflow, Status: 503, Route: "reviews"}},
		{"one with a route already", &mesh.Error{Route: "inner"}, &mesh.Error{Route: "inner"}},
		{"a wrapped one", wrapped, wrapped},
		{"any other", other, other},
	} {
		r := httptest.NewRequest("GET", "http://shop/", nil)
		f, r := flow.Ensure(r)
		client := route.Transport(newTable(t, route.ClientRule{Name: "reviews", Value: roundTrip(func(*http.Request) (*http.Response, error) {
			return nil, c.err
		})}))
		_, err := client.RoundTrip(r)
		require.Equal(t, c.want, err, c.about)
		require.Equal(t, "reviews", f.Route)
	}
	require.Empty(t, shared.Route, "an error that others may hold is not written to")
}

func TestHandlerServesByRules(t *testing.T) {
	say := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
	}
	server := httptest.NewServer(route.Handler(newTable(t,
		route.ServerRule{Name: "health", Match: []match.Request{{Path: match.Exact("/healthz")}}, Value: say("ok")},
		route.ServerRule{Name: "api", Match: []match.Request{{Path: match.Segments("/api")}}, Value: say("api")},
		route.ServerRule{Name: "nowhere", Match: []match.Request{{Path: match.Exact("/nowhere")}}},
	)))
	defer server.Close()
	for path, want := range map[string]string{
		"/healthz?full": "200 ok", "/api": "200 api", "/api/x": "200 api", "/apiary": "404 ", "/nowhere": "404 ",
	} {
		res, err := server.Client().Get(server.URL + path)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, strings.Fields(res.Status)[0]+" "+string(body), path)
	}
}

func TestHandlerNamesTheRuleInTheRecord(t *testing.T) {
	f, r := flow.EnsureServed(httptest.NewRequest("GET", "/", nil))
	route.Handler(newTable(t, route.ServerRule{Name: "all", Value: http.NotFoundHandler()})).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, "all", f.Route)
}

func TestTransportKeepsTheCallersContext(t *testing.T) {
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(cause)
	client := route.Transport(newTable(t, route.ClientRule{Name: "all", Value: roundTrip(func(r *http.Request) (*http.Response, error) {
		return nil, context.Cause(r.Context())
	})}))
	_, err := client.RoundTrip(httptest.NewRequest("GET", "http://shop/", nil).WithContext(ctx))
	require.ErrorIs(t, err, cause)
}

func TestTransportAddsNoAllocation(t *testing.T) {
	answer := &http.Response{StatusCode: 200, Body: http.NoBody}
	stub := roundTrip(func(*http.Request) (*http.Response, error) { return answer, nil })
	client := route.Transport(newTable(t,
		route.ClientRule{Name: "canary", Match: []match.Request{{Headers: []match.Field{{Name: "x-canary", Value: match.Exact("true")}}}}, Value: stub},
		route.ClientRule{Name: "stable", Value: stub},
	))
	r, err := http.NewRequest("GET", "http://shop/a", nil)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() { client.RoundTrip(r) }))
}
