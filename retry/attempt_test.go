package retry_test

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
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/retry"
)

// slowReader gives its text after a while.
type slowReader struct {
	wait time.Duration
	text io.Reader
}

func (s *slowReader) Read(p []byte) (int, error) {
	time.Sleep(s.wait)
	s.wait = 0
	return s.text.Read(p)
}

func TestTheTimeOfAnAttemptBeginsWithTheEndOfItsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		upstream := meshtest.NewUpstream(meshtest.Reply{Delay: time.Hour}, meshtest.Reply{Delay: time.Millisecond})
		policy := mustNew(t, retry.Config{PerTry: time.Second, Backoff: quick})
		r := request(t, "PUT", "")
		r.Body = io.NopCloser(&slowReader{10 * time.Second, strings.NewReader("payload")})
		start := time.Now()
		res, err := policy.Transport(upstream).RoundTrip(r)
		require.NoError(t, err)
		require.Equal(t, 200, res.StatusCode)
		res.Body.Close()
		took := time.Since(start)
		require.GreaterOrEqual(t, took, 11*time.Second+time.Millisecond)
		require.Less(t, took, 11*time.Second+2*time.Millisecond)
	})
}

// slowBody is an answer whose headers are there at once and whose body is not.
func slowBody(wait time.Duration) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		body := &contextReader{r.Context(), &slowReader{wait, strings.NewReader("text")}}
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
	})
}

// contextReader fails when its context has ended, as net/http's bodies do.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return n, err
}

func TestTheTimeOfAnAttemptEndsWithItsHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := mustNew(t, retry.Config{PerTry: time.Second})
		res, err := policy.Transport(slowBody(time.Minute)).RoundTrip(request(t, "GET", ""))
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, "text", string(text))
		res.Body.Close()
		require.Error(t, res.Request.Context().Err(), "the attempt's context is released with its body")
	})
}

func TestABoundOnAttemptsHoldsWithoutRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := mustNew(t, retry.Config{Attempts: -1, PerTry: time.Second})
		start := time.Now()
		_, err := policy.Transport(meshtest.NewUpstream(meshtest.Reply{Delay: time.Hour})).RoundTrip(request(t, "GET", ""))
		require.Equal(t, time.Second, time.Since(start))
		e := mesh.AsError(err)
		require.Equal(t, mesh.UpstreamTimeout, e.Flag)
		require.Equal(t, mesh.DetailsPerTryTimeout, e.Details)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "an attempt took longer than its bound")
	})
}

// A transport that reports the bare end of the context does not hide whose bound
// it was.
func TestABoundIsKnownWhateverTheTransportMakesOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bare := roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		ctx, cancel := context.WithTimeoutCause(context.Background(), 10*time.Second, timeoutError())
		defer cancel()
		policy := mustNew(t, retry.Config{Attempts: 100, PerTry: 3 * time.Second, Backoff: quick})
		start := time.Now()
		_, err := policy.Transport(bare).RoundTrip(request(t, "GET", "").WithContext(ctx))
		require.Equal(t, 10*time.Second, time.Since(start))
		requireTimeout(t, err)
		var all *retry.Error
		require.ErrorAs(t, err, &all)
		require.Len(t, all.Tries, 4)
		require.Equal(t, mesh.DetailsPerTryTimeout, mesh.AsError(all.Tries[0].Err).Details)
	})
}

// What ends an attempt because the time is over, its own or the request's, is for the
// transport a deadline and not a caller who has gone, and only that.
func TestTheContextOfAnAttemptSaysWhyItEnded(t *testing.T) {
	for name, c := range map[string]struct {
		perTry time.Duration
		cause  error // with which the request ends after a second
		want   error
	}{
		"the attempt's time": {perTry: time.Millisecond, cause: errors.New("gone"), want: context.DeadlineExceeded},
		"the request's time": {perTry: time.Minute, cause: timeoutError(), want: context.DeadlineExceeded},
		"the caller":         {perTry: time.Minute, cause: errors.New("gone"), want: context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, end := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { end(c.cause) })
				_, err := mustNew(t, retry.Config{PerTry: c.perTry}).Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
					<-r.Context().Done()
					require.Equal(t, c.want, r.Context().Err())
					return nil, r.Context().Err()
				})).RoundTrip(request(t, "GET", "").WithContext(ctx))
				require.Error(t, err)
				require.Equal(t, c.want == context.DeadlineExceeded, errors.Is(err, context.DeadlineExceeded))
			})
		})
	}
}
