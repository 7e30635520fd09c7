package access_test

import (
	"errors"
	"io"
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

func everybody(*http.Request) bool { return true }

func nobody(*http.Request) bool { return false }

// decided is an upstream by way of layers that decided something.
func decided(seen *http.Header) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		*seen = r.Header.Clone()
		f := flow.Of(r)
		if f == nil {
			f, r = flow.Ensure(r)
		}
		f.Route, f.Branch, f.Upstream, f.Drawn, f.DrawnOf = "jason", "v1", "v1", 137, 1000
		f.Tell().Faults = []string{"delay 1s"}
		f.First.Host = host("10.0.0.9:9080")
		f.First.Told = &flow.Told{Try: mesh.Try{N: 1, Endpoint: "10.0.0.9:9080", Status: 503, Duration: 3 * time.Millisecond, Why: "5xx"}}
		f.First.Begin()
		f.More.Tries = []*flow.Try{&f.First}
		again, _ := f.Next(f, r, 2)
		again.Host = host("10.0.0.7:9080")
		again.Told = &flow.Told{Try: mesh.Try{Waited: 25 * time.Millisecond}}
		again.Begin()
		return &http.Response{
			StatusCode: 200, Body: http.NoBody, Request: r,
			Header: http.Header{access.DecisionHeader: {"what a server claims"}},
		}, nil
	})
}

func TestAQuestionIsAnsweredAndGoesNoFurther(t *testing.T) {
	for name, tt := range map[string]struct {
		allow func(*http.Request) bool
		asks  bool
		told  bool
	}{
		"who may ask and asks is told":         {everybody, true, true},
		"who may not is not":                   {nobody, true, false},
		"without a callback nobody is":         {nil, true, false},
		"who does not ask gets what came back": {everybody, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			var seen http.Header
			client := access.Explainer{Allow: tt.allow}.Transport(decided(&seen))
			r := request(t, t.Context(), http.MethodGet, "")
			r.Header = http.Header{}
			if tt.asks {
				r.Header.Set("x-mesh-explain", "1")
			}
			res, err := client.RoundTrip(r)
			require.NoError(t, err)
			require.NotContains(t, seen, access.ExplainHeader)
			require.Equal(t, tt.asks, r.Header.Get("x-mesh-explain") != "", "the caller's request is as it was")
			got := res.Header.Get("x-mesh-decision")
			switch {
			case !tt.asks:
				require.Equal(t, "what a server claims", got)
			case !tt.told:
				require.Empty(t, got)
			default:
				require.Same(t, r, res.Request)
				require.Regexp(t, `^200 - GET reviews/a%2F\?b=\* \S+; route jason; split v1, drew 137 of 1000; fault delay 1s; `+
					`try 1 10\.0\.0\.9:9080 503 3ms, then again: 5xx; try 2 10\.0\.0\.7:9080 200 \S+, waited 25ms before; end via_upstream$`, got)
			}
		})
	}
}

func TestARefusalIsExplained(t *testing.T) {
	refusing := meshtest.NewUpstream(meshtest.Reply{Err: &mesh.Error{
		Flag: mesh.NoHealthyUpstream, Status: 503, Details: mesh.DetailsNoHealthyUpstream, Err: errors.New("none\r\nX-Evil: \x00ä"),
	}})
	client := mesh.Chain(access.Explainer{Allow: everybody}.Transport, mesh.ErrorsAsResponses)(refusing)
	r := request(t, t.Context(), http.MethodGet, "")
	r.Header = http.Header{access.ExplainHeader: {""}}
	res, err := client.RoundTrip(r)
	require.NoError(t, err)
	require.Regexp(t, `^503 UH GET .*; end no_healthy_upstream; cause none X-Evil: \?\?$`, res.Header.Get("x-mesh-decision"))
}

func TestAnErrorHasNoAnswerToExplainItselfIn(t *testing.T) {
	client := access.Explainer{Allow: everybody}.Transport(meshtest.NewUpstream(meshtest.Reply{Err: io.ErrUnexpectedEOF}))
	r := request(t, t.Context(), http.MethodGet, "")
	r.Header = http.Header{access.ExplainHeader: {"1"}}
	_, err := client.RoundTrip(r)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestAStoryIsBounded(t *testing.T) {
	var seen http.Header
	for _, most := range []int{1, 2, 3, 10, 100} {
		client := access.Explainer{Allow: everybody, Max: most}.Transport(decided(&seen))
		r := request(t, t.Context(), http.MethodGet, "")
		r.Header = http.Header{access.ExplainHeader: {"1"}}
		res, err := client.RoundTrip(r)
		require.NoError(t, err)
		require.Len(t, res.Header.Get("x-mesh-decision"), most)
	}
	r := request(t, t.Context(), http.MethodGet, "")
	r.URL.Path, r.URL.RawPath = "/"+strings.Repeat("a", 1<<20), ""
	r.Header = http.Header{access.ExplainHeader: {"1"}}
	res, err := access.Explainer{Allow: everybody}.Transport(decided(&seen)).RoundTrip(r)
	require.NoError(t, err)
	require.Len(t, res.Header.Get("x-mesh-decision"), 1024)
}

func TestAServerExplains(t *testing.T) {
	for name, tt := range map[string]struct {
		allow func(*http.Request) bool
		want  string
	}{
		"to whom it may":      {everybody, `^%s - GET example.com/x\?a=\*&b \S+; route health; end %s$`},
		"and to nobody else":  {nobody, `^$`},
		"nor without a guard": {nil, `^$`},
	} {
		t.Run(name, func(t *testing.T) {
			for _, how := range []struct {
				flags, end string
				handler    http.HandlerFunc
			}{
				{"200", "via_upstream", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }},
				{"200", "via_upstream", func(http.ResponseWriter, *http.Request) {}},
				{"429 RL", "local_rate_limited", func(w http.ResponseWriter, r *http.Request) {
					mesh.WriteError(w, r, &mesh.Error{Flag: "RL", Status: 429, Details: "local_rate_limited"})
				}},
			} {
				h := access.Explainer{Allow: tt.allow}.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					require.NotContains(t, r.Header, access.ExplainHeader)
					if f := flow.Served(r); f != nil {
						f.Route = "health"
					}
					how.handler(w, r)
				}))
				r := httptest.NewRequest(http.MethodGet, "/x?a=1&b", nil)
				r.Header.Set("x-mesh-explain", "1")
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				want := strings.Replace(strings.Replace(tt.want, "%s", how.flags, 1), "%s", how.end, 1)
				if how.flags != "200" {
					want = strings.Replace(want, " - ", " ", 1)
				}
				require.Regexp(t, want, w.Header().Get("x-mesh-decision"))
				require.Contains(t, r.Header, access.ExplainHeader)
			}
		})
	}
}

func TestExplainersKeepTheContractOfALayer(t *testing.T) {
	e := access.Explainer{Allow: everybody}
	t.Run("transport", func(t *testing.T) { meshtest.TestTransport(t, e.Transport) })
	t.Run("handler", func(t *testing.T) { meshtest.TestHandler(t, e.Handler) })
}

func TestWithoutValues(t *testing.T) {
	for in, want := range map[string]string{
		"/a": "/a", "/a?": "/a?", "/a?b": "/a?b", "/a?b=1&c=2=3&d": "/a?b=*&c=*&d", "*": "*",
	} {
		require.Equal(t, want, access.WithoutValues(in))
	}
}

func FuzzWithoutValues(f *testing.F) {
	f.Add("/a?b=secret&c")
	f.Fuzz(func(t *testing.T, target string) {
		got := access.WithoutValues(target)
		require.Equal(t, strings.Count(target, "?") > 0, strings.Contains(got, "?"))
		_, query, _ := strings.Cut(got, "?")
		for pair := range strings.SplitSeq(query, "&") {
			if _, value, ok := strings.Cut(pair, "="); ok {
				require.Equal(t, "*", value)
			}
		}
	})
}
