package lb

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/stretchr/testify/require"
)

// roundTripper is a function as a transport.
type roundTripper func(r *http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answer is an answer with a body that has to be read.
func answer(r *http.Request, status int) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader("body"))}
}

// seen collects outcomes.
type seen struct {
	hosts    []string
	outcomes []mesh.Outcome
	active   []int
}

func (s *seen) Observe(h *Host, o mesh.Outcome) {
	s.hosts, s.outcomes, s.active = append(s.hosts, h.Addr()), append(s.outcomes, o), append(s.active, h.Active())
}

func TestTheRequestGoesToTheHostAndKeepsItsName(t *testing.T) {
	b := balanced(t, Config{Name: "reviews", Endpoints: Addrs("10.0.0.1:9080")})
	r, err := http.NewRequest("GET", "http://reviews.shop/path?q=1", nil)
	require.NoError(t, err)
	r.Host = "" // as a request may come from a client that was written by hand
	before := *r
	beforeURL := *r.URL

	var sent *http.Request
	res, err := b.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r
		return answer(r, 200), nil
	})).RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, "http://10.0.0.1:9080/path?q=1", sent.URL.String())
	require.Equal(t, "reviews.shop", sent.Host)
	require.Same(t, r, res.Request)
	require.Equal(t, before, *r)
	require.Equal(t, beforeURL, *r.URL)

	f := flow.Of(sent)
	require.Equal(t, "reviews", f.Upstream)
	require.Equal(t, 1, f.Attempts())
	require.Equal(t, "10.0.0.1:9080", f.Last().Endpoint())
	require.Same(t, b.Host("10.0.0.1:9080"), f.Last().Host)
}

func TestAHostIsActiveUntilTheBodyHasEnded(t *testing.T) {
	for name, end := range map[string]func(io.ReadCloser){
		"read to its end": func(b io.ReadCloser) { io.ReadAll(b) },
		"closed unread":   func(b io.ReadCloser) { b.Close() },
		"read and closed": func(b io.ReadCloser) { io.ReadAll(b); b.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			observer := new(seen)
			b := balanced(t, Config{Endpoints: Addrs("10.0.0.1:9080"), Observers: []Observer{observer}})
			r, _ := http.NewRequest("GET", "http://reviews/", nil)
			res, err := b.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
				return answer(r, 503), nil
			})).RoundTrip(r)
			require.NoError(t, err)
			h := b.Host("10.0.0.1:9080")
			require.Equal(t, 1, h.Active())
			require.Empty(t, observer.outcomes)

			end(res.Body)
			require.Equal(t, 0, h.Active())
			require.Len(t, observer.outcomes, 1)
			require.Equal(t, mesh.Failure, observer.outcomes[0].Kind)
			require.Equal(t, 503, observer.outcomes[0].Status)
			require.Positive(t, observer.outcomes[0].Latency)
			require.Equal(t, []int{0}, observer.active, "the request no longer counts when observers are told")
			require.EqualValues(t, 1, b.Stats().Hosts[0].Failures)
		})
	}
}

func TestAnErrorEndsTheAttempt(t *testing.T) {
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		kind mesh.Kind
	}{
		"of the connection":  {context.Background(), errors.New("connection reset"), mesh.Failure},
		"of the caller":      {canceled, context.Canceled, mesh.Neutral},
		"of a layer of ours": {context.Background(), &mesh.Error{Flag: mesh.Overflow}, mesh.Local},
	} {
		t.Run(name, func(t *testing.T) {
			observer := new(seen)
			b := balanced(t, Config{Endpoints: Addrs("10.0.0.1:9080"), Observers: []Observer{observer}})
			r, _ := http.NewRequestWithContext(c.ctx, "GET", "http://reviews/", nil)
			_, err := b.Transport(roundTripper(func(*http.Request) (*http.Response, error) { return nil, c.err })).RoundTrip(r)
			require.Same(t, c.err, err)
			require.Equal(t, 0, b.Host("10.0.0.1:9080").Active())
			require.Equal(t, c.kind, observer.outcomes[0].Kind)
		})
	}
}

func TestABodyThatBreaksOffIsAFailure(t *testing.T) {
	observer := new(seen)
	b := balanced(t, Config{Endpoints: Addrs("10.0.0.1:9080"), Observers: []Observer{observer}})
	r, _ := http.NewRequest("GET", "http://reviews/", nil)
	res, err := b.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
		res := answer(r, 200)
		res.Body = io.NopCloser(io.MultiReader(strings.NewReader("half"), brokenReader{}))
		return res, nil
	})).RoundTrip(r)
	require.NoError(t, err)
	_, err = io.ReadAll(res.Body)
	require.Error(t, err)
	require.Equal(t, mesh.Failure, observer.outcomes[0].Kind)
	require.Error(t, observer.outcomes[0].Err)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// closing counts how often a body is closed.
type closing struct {
	io.Reader
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return nil
}

func TestWithoutAHostTheRequestIsRefusedWithTheNumbers(t *testing.T) {
	b := balanced(t, Config{
		Name: "reviews",
		Endpoints: []Endpoint{
			{Addr: "10.0.0.1:80", Locality: Locality{Region: "us"}},
			{Addr: "10.0.0.2:80", Locality: Locality{Region: "us"}},
			{Addr: "10.0.0.3:80", Locality: Locality{Region: "us"}},
			{Addr: "10.0.0.4:80", Locality: Locality{Region: "eu"}},
		},
		Placement: []Placement{Distribute{Rules: []Distribution{{From: "*", To: map[string]uint32{"us": 1}}}}},
		NoPanic:   true,
	})
	b.Host("10.0.0.1:80").Eject()
	b.Host("10.0.0.2:80").Eject()
	b.Host("10.0.0.3:80").SetHealthy(false)

	body := &closing{Reader: strings.NewReader("x")}
	r, _ := http.NewRequest("POST", "http://reviews/", body)
	res, err := b.Transport(roundTripper(func(*http.Request) (*http.Response, error) {
		t.Error("a request went out")
		return nil, errors.New("unexpected")
	})).RoundTrip(r)
	require.Nil(t, res)
	require.Equal(t, 1, body.closed)
	require.Equal(t, mesh.NoHealthyUpstream, mesh.FlagOf(err))
	require.Equal(t, 503, mesh.StatusOf(err))
	require.Equal(t, mesh.NotSent, mesh.StageOf(err))
	require.Equal(t, "no healthy upstream", mesh.AsError(err).Body())
	var why *NoHostError
	require.ErrorAs(t, err, &why)
	require.Equal(t, NoHostError{Endpoints: 4, Ejected: 2, Unhealthy: 1, Filtered: 1}, *why)
	require.Equal(t, mesh.Local, mesh.OutcomeOf(r.Context(), nil, err).Kind)
}

func TestARequestCostsItsRecordAndItsCopy(t *testing.T) {
	for _, p := range policies {
		b := balanced(t, Config{Endpoints: manyEndpoints(100, p.weights...), Algorithm: p.algorithm, Observers: []Observer{countless{}}})
		var res http.Response
		body := io.NopCloser(strings.NewReader(""))
		transport := b.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			res = http.Response{StatusCode: 200, Request: r, Body: body}
			return &res, nil
		}))
		r, _ := http.NewRequest("GET", "http://reviews/", nil)
		allocations := testing.AllocsPerRun(200, func() {
			res, _ := transport.RoundTrip(r)
			res.Body.Close()
		})
		require.LessOrEqual(t, allocations, 2.0, p.name)
	}
}

// countless observes nothing.
type countless struct{}

func (countless) Observe(*Host, mesh.Outcome) {}

func TestPicksAllocateNothing(t *testing.T) {
	for _, p := range policies {
		for name, endpoints := range map[string][]Endpoint{
			"one priority":    manyEndpoints(100, p.weights...),
			"two priorities":  withPriorities(manyEndpoints(100, p.weights...), 2),
			"many priorities": withPriorities(manyEndpoints(100, p.weights...), 7),
		} {
			b := balanced(t, Config{Endpoints: endpoints, Algorithm: p.algorithm, Observers: []Observer{countless{}}})
			for i := range 40 {
				b.Host(endpoints[i*2].Addr).Eject()
			}
			require.Zero(t, testing.AllocsPerRun(200, func() {
				lease, err := b.Pick(Query{})
				if err != nil {
					t.Fatal(err)
				}
				lease.Done(mesh.Outcome{})
			}), "%s, %s", p.name, name)
		}
	}
}

// withPriorities gives endpoints n priorities in turn.
func withPriorities(endpoints []Endpoint, n int) []Endpoint {
	for i := range endpoints {
		endpoints[i].Priority = uint32(i % n)
	}
	return endpoints
}

func TestAPanicInsideLeavesNoRequestOnTheHost(t *testing.T) {
	observer := new(seen)
	b := balanced(t, Config{Endpoints: Addrs("10.0.0.1:9080"), Observers: []Observer{observer}})
	r, err := http.NewRequest("GET", "http://reviews/", nil)
	require.NoError(t, err)
	require.Panics(t, func() {
		b.Transport(roundTripper(func(*http.Request) (*http.Response, error) { panic("a mistake") })).RoundTrip(r) //nolint:errcheck,bodyclose // it panics
	})
	require.Zero(t, b.Host("10.0.0.1:9080").Active())
	require.Equal(t, []mesh.Outcome{{Kind: mesh.Local}}, observer.outcomes, "it says nothing of the host")
}
