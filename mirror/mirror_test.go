package mirror

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/corpus"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/meshtest"
)

// roundTrip is a RoundTripper by its method.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func must(t testing.TB, c Config) *Mirror {
	t.Helper()
	m, err := New(c)
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

// settled waits for the copies under way.
func settled(t testing.TB, m *Mirror) Stats {
	t.Helper()
	require.NoError(t, m.Shutdown(t.Context()))
	return m.Stats()
}

func request(t testing.TB, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	require.NoError(t, err)
	if body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	return r
}

func send(t testing.TB, rt http.RoundTripper, r *http.Request) *http.Response {
	t.Helper()
	res, err := rt.RoundTrip(r)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res
}

func TestEverythingWrongWithAConfigIsReportedAtOnce(t *testing.T) {
	_, err := New(Config{
		Server: "reviews:9080", Share: mesh.Percent(-1), Timeout: -1, MaxCopies: -1,
		Compare: &Compare{Ignore: []string{"id"}, Sample: mesh.Percent(101), MaxBody: -1},
	})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{"mirror.To", "mirror.Server", "mirror.Share", "mirror.Timeout", "mirror.MaxCopies", "mirror.Compare.Sample", "mirror.Compare.MaxBody", "mirror.Compare.Ignore"}, fields)

	for _, server := range []string{"://", "ftp://x", "http://", "http://x/path", "http://x?q", "http://u@x"} {
		_, err := New(Config{To: meshtest.NewUpstream(), Server: server})
		require.Error(t, err, server)
	}
	m := must(t, Config{To: meshtest.NewUpstream()})
	require.Error(t, m.Update(Config{}))
	require.NoError(t, m.Update(Config{To: meshtest.NewUpstream(), Server: "https://x:1"}))
}

// A request as the vectors of Envoy have it.
type arrival struct {
	Body, Host, Method, URI string
	Port                    int
	Added                   string `json:"x-added"`
	Internal                string `json:"x-envoy-internal"`
	ForwardedFor            bool   `json:"x-forwarded-for_present"`
}

func arrivals(u *meshtest.Upstream, port int) (all []arrival) {
	for _, r := range u.Requests() {
		body := []byte{}
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		host := r.Host
		if host == "" {
			host = r.URL.Host
		}
		all = append(all, arrival{
			string(body), host, r.Method, r.URL.RequestURI(), port,
			r.Header.Get("X-Added"), r.Header.Get("X-Envoy-Internal"), r.Header.Get("X-Forwarded-For") != "",
		})
	}
	return all
}

func TestCopiesAreThoseOfEnvoy(t *testing.T) {
	type copying struct {
		ID, Host, Path   string
		Requests, Status int
		Arrived          []arrival
		ByPort           map[int]int `json:"arrived_by_port"`
	}
	for _, c := range corpus.Cases[copying](t, "envoy/mirror") {
		t.Run(c.ID, func(t *testing.T) {
			config := Config{Share: mesh.Always, MaxCopies: 1000, Shadow: c.ID != "nosuffix", From: netip.MustParseAddr("192.0.2.1")}
			if c.ID == "half" {
				config.Share, config.Rand = mesh.Percent(50), rand.New(rand.NewPCG(1, 2)).Uint64
			}
			primary := meshtest.NewUpstream(meshtest.Reply{Status: c.Status})
			ports := map[int]*meshtest.Upstream{28001: primary, 28002: meshtest.NewUpstream(), 28003: meshtest.NewUpstream()}
			repeat := func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(r *http.Request) (*http.Response, error) {
					for range 2 {
						res, _ := next.RoundTrip(r)
						if res.StatusCode != 503 {
							return res, nil
						}
					}
					return next.RoundTrip(r)
				})
			}
			mirrorTo := func(to http.RoundTripper) *Mirror {
				config.To = to
				return must(t, config)
			}
			first := ports[28002]
			if c.ID == "samecluster" {
				first = primary
			}
			mirrors := []*Mirror{mirrorTo(first)}
			switch c.ID {
			case "two":
				mirrors = append(mirrors, mirrorTo(ports[28003]))
			case "deadmirror":
				mirrors = []*Mirror{mirrorTo(meshtest.NewUpstream(meshtest.Reply{Err: errors.New("refused")}))}
			}
			rt := repeat(primary)
			for _, m := range mirrors {
				rt = m.Transport(rt)
			}
			for range c.Requests {
				r := request(t, "GET", "http://"+c.Host+c.Path, "")
				r.Header.Set("X-Added", "1")
				require.Equal(t, c.Status, send(t, rt, r).StatusCode)
			}
			for _, m := range mirrors {
				settled(t, m)
			}
			var got []arrival
			byPort := map[int]int{}
			for port, u := range ports {
				got = append(got, arrivals(u, port)...)
				if n := len(u.Requests()); n > 0 {
					byPort[port] = n
				}
			}
			for port, n := range c.ByPort {
				p := float64(n) / float64(c.Requests)
				require.InDelta(t, n, byPort[port], 5*math.Sqrt(max(0, 2*float64(c.Requests)*p*(1-p))))
			}
			require.Len(t, byPort, len(c.ByPort))
			if c.Arrived != nil {
				order := func(a, b arrival) int {
					return strings.Compare(string(rune(a.Port))+a.Host, string(rune(b.Port))+b.Host)
				}
				slices.SortFunc(got, order)
				slices.SortFunc(c.Arrived, order)
				require.Equal(t, c.Arrived, got)
			}
		})
	}
}

func TestSharesAreDrawn(t *testing.T) {
	const calls = 100_000
	for _, share := range []float64{0, 0.1, 50, 100} {
		to := roundTrip(func(r *http.Request) (*http.Response, error) {
			return mesh.ResponseFor(r, &mesh.Error{Status: 200}), nil
		})
		m := must(t, Config{To: to, Share: mesh.Percent(share), MaxCopies: calls, Rand: rand.New(rand.NewPCG(1, 2)).Uint64})
		rt := m.Transport(to)
		r := request(t, "GET", "http://svc.example/", "")
		for range calls {
			send(t, rt, r)
		}
		p := share / 100
		require.InDelta(t, p*calls, settled(t, m).Sent, 5*math.Sqrt(p*(1-p)*calls))
	}
}

// A mirror that hangs costs the request no time, and no more goroutines and
// memory than configured.
func TestAMirrorThatHangsHoldsUpNobody(t *testing.T) {
	for name, body := range map[string]string{"without a body": "", "with a body": strings.Repeat("x", 1000)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const calls, copies = 10_000, 64
				m := must(t, Config{To: meshtest.NewUpstream(meshtest.Reply{Delay: time.Hour}), Share: mesh.Always, Timeout: time.Minute})
				rt := m.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
					if r.Body != nil {
						io.Copy(io.Discard, r.Body)
						r.Body.Close()
					}
					return mesh.ResponseFor(r, &mesh.Error{Status: 200}), nil
				}))
				start := time.Now()
				for range calls {
					send(t, rt, request(t, "POST", "http://svc.example/", body))
				}
				require.Zero(t, time.Since(start))
				require.Equal(t, Stats{Sent: copies, Dropped: calls - copies, Running: copies}, func() Stats { synctest.Wait(); return m.Stats() }())
				require.NoError(t, m.Shutdown(t.Context()))
				require.Equal(t, time.Minute, time.Since(start), "the copies end at their bound")
				require.EqualValues(t, copies, m.Stats().Failed)
			})
		})
	}
}

func TestACopyOutlivesItsRequestWithItsValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		up := meshtest.NewUpstream(meshtest.Reply{Delay: time.Second})
		m := must(t, Config{To: up, Share: mesh.Always})
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		f, r := flow.Ensure(request(t, "GET", "http://svc.example/a", "").WithContext(ctx))
		send(t, m.Transport(meshtest.NewUpstream()), r)
		cancel()
		require.Equal(t, Stats{Sent: 1}, settled(t, m))
		require.Equal(t, []string{"mirror"}, f.Tell().Mirrors)
		sent := up.Requests()[0]
		require.Equal(t, "value", sent.Context().Value(key{}))
		require.Nil(t, flow.Of(sent), "the record is that of the request alone")
		require.Nil(t, flow.Serving(sent.Context()))
	})
}

func TestTheCopyGoesWhereItIsSent(t *testing.T) {
	up := meshtest.NewUpstream()
	m := must(t, Config{
		To: up, Share: mesh.Always, Server: "https://shadow:8443",
		From: netip.MustParseAddr("192.0.2.9"),
		Edit: func(r *http.Request) { r.Header.Set("X-Shadow", "1"); r.Header.Del("Authorization") },
	})
	r := request(t, "GET", "http://svc.example:80/a%2Fb?q=1", "")
	r.Header = http.Header{"Authorization": {"secret"}, "X-Forwarded-For": {"198.51.100.1"}, "Expect": {"100-continue"}}
	send(t, m.Transport(meshtest.NewUpstream()), r)
	settled(t, m)
	got := up.Requests()[0]
	require.Equal(t, "https://shadow:8443/a%2Fb?q=1", got.URL.String())
	require.Equal(t, "svc.example:80", got.Host)
	require.Equal(t, http.Header{
		"X-Forwarded-For": {"198.51.100.1,192.0.2.9"}, "X-Envoy-Internal": {"true"}, "X-Shadow": {"1"},
	}, got.Header)
	require.Equal(t, "secret", r.Header.Get("Authorization"))
}

func TestShadowHosts(t *testing.T) {
	for host, want := range map[string]string{
		"svc": "svc-shadow", "svc:80": "svc-shadow:80", "127.0.0.1": "127.0.0.1-shadow",
		"[::1]": "[::1]-shadow", "[::1]:80": "[::1]-shadow:80",
	} {
		require.Equal(t, want, shadow(host))
	}
}

func TestConversationsAreNotCopied(t *testing.T) {
	m := must(t, Config{To: meshtest.NewUpstream(), Share: mesh.Always})
	rt := m.Transport(meshtest.NewUpstream())
	r := request(t, "GET", "http://svc.example/", "")
	r.Header["Upgrade"] = []string{"websocket"}
	send(t, rt, r)
	send(t, rt, request(t, "CONNECT", "http://svc.example/", ""))
	require.Zero(t, settled(t, m))
}

func TestAMirrorThatPanicsIsAMirrorThatFails(t *testing.T) {
	var log bytes.Buffer
	m := must(t, Config{
		To: roundTrip(func(*http.Request) (*http.Response, error) { panic("bug") }), Share: mesh.Always, Logger: logger(&log),
	})
	send(t, m.Transport(meshtest.NewUpstream()), request(t, "GET", "http://svc.example/", ""))
	require.Equal(t, Stats{Sent: 1, Failed: 1}, settled(t, m))
	require.Contains(t, log.String(), "mirror: panic: bug")
}

func TestAPanicOfThePrimaryFreesThePlace(t *testing.T) {
	for name, compare := range map[string]*Compare{"alone": nil, "compared": {}} {
		t.Run(name, func(t *testing.T) {
			m := must(t, Config{To: meshtest.NewUpstream(), Share: mesh.Always, MaxCopies: 1, Compare: compare})
			rt := m.Transport(roundTrip(func(*http.Request) (*http.Response, error) { panic("bug") }))
			for range 3 {
				require.PanicsWithValue(t, "bug", func() { rt.RoundTrip(request(t, "POST", "http://svc.example/", "x")) })
			}
			require.EqualValues(t, 3, m.Stats().Unread)
		})
	}
}

func TestShutdownWaitsAndCloseDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := must(t, Config{To: meshtest.NewUpstream(meshtest.Reply{Delay: time.Hour}), Share: mesh.Always, Timeout: 2 * time.Hour})
		rt := m.Transport(meshtest.NewUpstream())
		send(t, rt, request(t, "GET", "http://svc.example/", ""))
		late := request(t, "POST", "http://svc.example/", "x")
		started, finish := make(chan struct{}), make(chan struct{})
		go m.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
			close(started)
			<-finish
			io.Copy(io.Discard, r.Body)
			return mesh.ResponseFor(r, &mesh.Error{Status: 200}), nil
		})).RoundTrip(late)
		<-started

		impatient := errors.New("impatient")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, impatient)
		defer cancel()
		require.ErrorIs(t, m.Shutdown(ctx), impatient)
		send(t, rt, request(t, "GET", "http://svc.example/", ""))
		close(finish) // its body ends after the Shutdown
		synctest.Wait()
		require.EqualValues(t, 2, m.Stats().Dropped)

		start := time.Now()
		require.NoError(t, m.Close())
		require.NoError(t, m.Close())
		require.NoError(t, m.Shutdown(t.Context()))
		require.Zero(t, time.Since(start))
		require.Equal(t, Stats{Sent: 1, Failed: 1, Dropped: 2}, m.Stats())
	})
}

// fixed answers without cost.
type fixed struct{ res *http.Response }

func (f fixed) RoundTrip(*http.Request) (*http.Response, error) { return f.res, nil }

func TestRequestsThatAreNotCopiedCostNoAllocation(t *testing.T) {
	for _, share := range []mesh.Fraction{0, 1} {
		rt := must(t, Config{To: meshtest.NewUpstream(), Share: share}).Transport(fixed{&http.Response{StatusCode: 200, Body: http.NoBody}})
		r := request(t, "GET", "http://svc.example/", "")
		require.Zero(t, testing.AllocsPerRun(1000, func() { rt.RoundTrip(r) }))
	}
}

func BenchmarkTransport(b *testing.B) {
	rt := must(b, Config{To: meshtest.NewUpstream()}).Transport(fixed{&http.Response{StatusCode: 200, Body: http.NoBody}})
	r := request(b, "GET", "http://svc.example/", "")
	b.ReportAllocs()
	for b.Loop() {
		rt.RoundTrip(r)
	}
}
