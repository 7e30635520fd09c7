package meshtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/lb"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
	"github.com/sidecarless/mesh/upstream"
)

// outage is ten minutes in which one of three servers is down for two, and another
// one fails a tenth of its requests. It returns what every server saw.
func outage(t *testing.T, seed uint64) (visits []string, failed int) {
	synctest.Test(t, func(t *testing.T) {
		m := meshtest.NewMesh(seed, map[string]meshtest.Server{
			"10.0.0.1:80": {Latency: 5 * time.Millisecond, Jitter: 5 * time.Millisecond},
			"10.0.0.2:80": {Latency: 5 * time.Millisecond, Faults: []meshtest.Fault{
				{After: 3 * time.Minute, For: 2 * time.Minute, Reply: meshtest.Reply{Err: meshtest.ErrRefused}},
			}},
			"10.0.0.3:80": {Latency: 5 * time.Millisecond, Faults: []meshtest.Fault{
				{Share: mesh.Percent(10), Reply: meshtest.Reply{Status: 503}},
			}},
		})
		u, err := upstream.New(upstream.Config{
			Name: "reviews", Endpoints: lb.Addrs("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"), Transport: m,
			Retry:   retry.Config{Attempts: 2, On: []retry.Condition{retry.ServerError}, Rand: m.Rand},
			Balance: lb.Config{Rand: m.Rand},
		})
		require.NoError(t, err)
		defer u.Close()
		failures := make(chan struct{}, 6000)
		m.Load(10, 10*time.Minute, func() {
			res, err := (&http.Client{Transport: u}).Get("http://reviews/")
			if err == nil {
				res.Body.Close()
			}
			if err != nil || res.StatusCode != 200 {
				failures <- struct{}{}
			}
		})
		require.Greater(t, m.Visits()[len(m.Visits())-1].At, 10*time.Minute-time.Second)
		failed = len(failures)
		for _, v := range m.Visits() {
			visits = append(visits, v.String())
		}
	})
	return visits, failed
}

func TestG7TheSameSeedTwiceIsTheSameTrace(t *testing.T) {
	start := time.Now()
	first, failed := outage(t, 1)
	require.Zero(t, failed, "retries meet another server")
	require.Greater(t, len(first), 6000)
	again, _ := outage(t, 1)
	for i, v := range first {
		require.Equal(t, v, again[i], "visit %d", i)
	}
	require.Len(t, again, len(first))
	other, _ := outage(t, 2)
	require.NotEqual(t, first[:10], other[:10])
	require.Less(t, time.Since(start), time.Minute, "thirty minutes of requests")
}

// ask is the status and the body of an answer.
func ask(t *testing.T, rt http.RoundTripper, ctx context.Context, url string) (status int, text string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("payload"))
	require.NoError(t, err)
	res, err := rt.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body), nil
}

func TestServersOfAMeshBehaveAsTheirScriptsSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meshtest.NewMesh(1, map[string]meshtest.Server{
			"plain:80": {},
			"echo:80": {Latency: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, r.Host+" "+r.RequestURI+" ")
				io.Copy(w, r.Body)
			})},
			"aborts:80": {Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })},
			"slow:80":   {Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Hour) })},
			"down:80": {Faults: []meshtest.Fault{
				{For: time.Minute, Reply: meshtest.Reply{Err: meshtest.ErrRefused}},
				{For: 2 * time.Minute, Reply: meshtest.Reply{Err: meshtest.ErrReset}},
				{After: 3 * time.Minute, Reply: meshtest.Reply{Status: 500, Delay: time.Second}},
			}},
		})
		status, text, err := ask(t, m, t.Context(), "http://plain:80/")
		require.NoError(t, err)
		require.Equal(t, "plain:80", text)
		require.Equal(t, 200, status)

		_, text, err = ask(t, m, t.Context(), "http://echo:80/a?b=c")
		require.NoError(t, err)
		require.Equal(t, "echo:80 /a?b=c payload", text)

		_, _, err = ask(t, m, t.Context(), "http://aborts:80/")
		require.ErrorIs(t, err, meshtest.ErrReset)
		_, _, err = ask(t, m, t.Context(), "http://nobody:80/")
		require.Equal(t, mesh.NotSent, mesh.StageOf(err))

		gone := errors.New("gone")
		for _, addr := range []string{"slow:80", "echo:80"} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, gone)
			_, _, err = ask(t, m, ctx, "http://"+addr+"/")
			require.ErrorIs(t, err, gone, addr)
			cancel()
		}

		_, _, err = ask(t, m, t.Context(), "http://down:80/")
		require.Equal(t, mesh.NotSent, mesh.StageOf(err))
		time.Sleep(time.Minute)
		_, _, err = ask(t, m, t.Context(), "http://down:80/")
		require.Equal(t, mesh.MaybeProcessed, mesh.StageOf(err))
		time.Sleep(time.Minute)
		status, _, err = ask(t, m, t.Context(), "http://down:80/")
		require.NoError(t, err)
		require.Equal(t, 200, status, "between two faults")
		time.Sleep(time.Minute)
		status, _, err = ask(t, m, t.Context(), "http://down:80/")
		require.NoError(t, err)
		require.Equal(t, 500, status)

		m.Set("down:80", meshtest.Server{})
		status, _, err = ask(t, m, t.Context(), "http://down:80/x")
		require.NoError(t, err)
		require.Equal(t, 200, status, "it was repaired")

		visits := m.Visits()
		last := visits[len(visits)-1]
		require.Equal(t, meshtest.Visit{At: last.At, Addr: "down:80", Method: "POST", Path: "/x", Status: 200, Took: last.Took}, last)
		require.Regexp(t, `^3m\S+s down:80 POST /x: 200 after \d+ns$`, last.String())
		require.Regexp(t, `: dial tcp: connect: connection refused after `, visits[len(visits)-5].String())
		time.Sleep(time.Hour) // until the slow handler has ended
	})
}

// A server of the mesh sees of its caller what a network shows, and may call
// others of the same mesh.
func TestAServerOfAMeshCallsOthers(t *testing.T) {
	type key struct{}
	m := meshtest.NewMesh(1, map[string]meshtest.Server{"ratings:80": {}})
	m.Set("reviews:80", meshtest.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Nil(t, r.Context().Value(key{}), "a context does not go over a network")
		_, text, err := ask(t, m, r.Context(), "http://ratings:80/")
		require.NoError(t, err)
		io.WriteString(w, "reviews by "+text)
	})})
	_, text, err := ask(t, m, context.WithValue(t.Context(), key{}, 1), "http://reviews:80/")
	require.NoError(t, err)
	require.Equal(t, "reviews by ratings:80", text)
	require.Len(t, m.Visits(), 2)
}

func TestAFaultBefallsItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := meshtest.NewMesh(7, map[string]meshtest.Server{"a:80": {Faults: []meshtest.Fault{
			{Share: mesh.Percent(25), Reply: meshtest.Reply{Status: 503}},
		}}})
		failed := 0
		for range 10_000 {
			if status, _, _ := ask(t, m, t.Context(), "http://a:80/"); status == 503 {
				failed++
			}
		}
		require.InDelta(t, 2500, failed, 250, "more than five standard deviations")
	})
}
