package meshtest

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
)

func TestAnUpstreamGivesItsRepliesInOrderAndRepeatsTheLast(t *testing.T) {
	down := errors.New("down")
	u := NewUpstream(Reply{Err: down}, Reply{Status: 503, Body: "busy"}, Reply{Header: http.Header{"X-A": {"1"}}, Body: "ok"})
	client := &http.Client{Transport: u}

	_, err := client.Get("http://svc.example/1")
	require.ErrorIs(t, err, down)
	for _, want := range []struct {
		status int
		body   string
	}{{503, "busy"}, {200, "ok"}, {200, "ok"}} {
		res, err := client.Get("http://svc.example/2")
		require.NoError(t, err)
		body, err := finish(res)
		require.NoError(t, err)
		require.Equal(t, want.status, res.StatusCode)
		require.Equal(t, want.body, body)
	}
	require.Len(t, u.Requests(), 4)
}

func TestAnUpstreamNotesRequestsWithTheirBodies(t *testing.T) {
	u := NewUpstream()
	res, err := (&http.Client{Transport: u}).Post("http://svc.example/a?b=c", "text/plain", strings.NewReader("payload"))
	require.NoError(t, err)
	finish(res)
	for range 2 { // each look is a fresh copy
		r := u.Requests()[0]
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, "payload", string(body))
		require.Equal(t, "POST /a?b=c", r.Method+" "+r.URL.RequestURI())
		r.Header.Set("Content-Type", "changed")
	}
	require.Equal(t, "text/plain", u.Requests()[0].Header.Get("Content-Type"))
}

func TestADelayTakesItsTimeAndEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := NewUpstream(Reply{Delay: time.Minute})
		start := time.Now()
		res, err := u.RoundTrip(request(t.Context(), "GET", nil))
		require.NoError(t, err)
		finish(res)
		require.Equal(t, time.Minute, time.Since(start))

		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errCause)
		defer cancel()
		start = time.Now()
		_, err = u.RoundTrip(request(ctx, "GET", nil))
		require.ErrorIs(t, err, errCause)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestAnUpstreamIsAsStrictAsARealOne(t *testing.T) {
	u := NewUpstream(Reply{Body: "text", Trailer: http.Header{"X-Sum": {"1"}}})

	ctx, cancel := context.WithCancelCause(context.Background())
	res, err := u.RoundTrip(request(ctx, "GET", nil))
	require.NoError(t, err)
	require.Contains(t, res.Trailer, "X-Sum")
	require.Empty(t, res.Trailer.Get("X-Sum"), "not before the body's end")
	_, err = io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "1", res.Trailer.Get("X-Sum"))

	res, err = u.RoundTrip(request(ctx, "GET", nil))
	require.NoError(t, err)
	cancel(errCause)
	_, err = io.ReadAll(res.Body)
	require.ErrorIs(t, err, errCause, "a body ends with the request's context")

	body := watched("x")
	_, err = u.RoundTrip(request(ctx, "POST", body))
	require.ErrorIs(t, err, errCause)
	require.EqualValues(t, 1, body.closes.Load())

	res, err = u.RoundTrip(request(context.Background(), "HEAD", nil))
	require.NoError(t, err)
	got, _ := finish(res)
	require.Empty(t, got)

	_, err = u.RoundTrip(request(context.Background(), "POST", readFunc(func([]byte) (int, error) { return 0, errCause })))
	require.ErrorIs(t, err, errCause, "a body that cannot be read fails the request")
}
