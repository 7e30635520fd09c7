package retry_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/retry"
)

// A watchedBody counts how often it is closed.
type watchedBody struct {
	io.Reader
	closes atomic.Int32
}

func (b *watchedBody) Close() error {
	b.closes.Add(1)
	return nil
}

// failing is a server that fails the first requests after it has read them, and
// what it read of each.
func failing(t *testing.T, failures int) (*httptest.Server, func() []int) {
	var mu sync.Mutex
	var sizes []int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil || strings.Trim(string(data), "x") != "" {
			data = nil
		}
		mu.Lock()
		defer mu.Unlock()
		sizes = append(sizes, len(data))
		if len(sizes) <= failures {
			w.WriteHeader(503)
		}
	}))
	t.Cleanup(server.Close)
	return server, func() []int {
		mu.Lock()
		defer mu.Unlock()
		return append([]int(nil), sizes...)
	}
}

func TestT5BodiesAreSentAgainUpToALimit(t *testing.T) {
	const limit = 64 << 10
	for name, tt := range map[string]struct {
		size    int
		length  int64 // as the request tells it
		getBody bool
		maxBody int64
		sent    []int
	}{
		"empty":                            {size: 0, length: -1, sent: []int{0, 0}},
		"one byte":                         {size: 1, length: -1, sent: []int{1, 1}},
		"as much as is kept":               {size: limit, length: -1, sent: []int{limit, limit}},
		"one byte more":                    {size: limit + 1, length: -1, sent: []int{limit + 1}},
		"one byte more, and told so":       {size: limit + 1, length: limit + 1, sent: []int{limit + 1}},
		"as much as is kept, and told so":  {size: limit, length: limit, sent: []int{limit, limit}},
		"as large as can be, with GetBody": {size: 8 * limit, length: 8 * limit, getBody: true, sent: []int{8 * limit, 8 * limit}},
		"within a larger limit":            {size: 1 << 20, length: -1, maxBody: 1 << 20, sent: []int{1 << 20, 1 << 20}},
		"over a larger limit":              {size: 1<<20 + 1, length: -1, maxBody: 1 << 20, sent: []int{1<<20 + 1}},
		"where nothing is kept":            {size: 1, length: -1, maxBody: -1, sent: []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			server, sent := failing(t, 1)
			policy := mustNew(t, retry.Config{On: []retry.Condition{retry.ServerError}, MaxBody: tt.maxBody, Backoff: quick})
			data := bytes.Repeat([]byte("x"), tt.size)
			body := &watchedBody{Reader: bytes.NewReader(data)}
			r, err := http.NewRequest(http.MethodPut, server.URL, body)
			require.NoError(t, err)
			r.ContentLength = tt.length
			if tt.getBody {
				r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
			}
			res, err := policy.Transport(pool(t)).RoundTrip(r)
			require.NoError(t, err)
			res.Body.Close()
			require.Equal(t, tt.sent, sent())
			require.Equal(t, len(tt.sent) > 1, res.StatusCode == 200)
			require.Equal(t, len(tt.sent) == 1, policy.Stats().BodyTooLarge == 1)
			require.Eventually(t, func() bool { return body.closes.Load() == 1 }, time.Minute, time.Millisecond)
			require.Same(t, body, r.Body, "the caller's request was changed")
		})
	}
}

// A writer that goes on only when the server has what was written before would
// wait for ever if the body was read ahead.
func TestT5ABodyStreams(t *testing.T) {
	for _, perTry := range []time.Duration{0, time.Minute} {
		read := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.CopyN(io.Discard, r.Body, 4096)
			read <- struct{}{}
			n, _ := io.Copy(io.Discard, r.Body)
			if n != 4096 {
				w.WriteHeader(500)
			}
		}))
		pr, pw := io.Pipe()
		go func() {
			part := make([]byte, 4096)
			pw.Write(part)
			<-read
			pw.Write(part)
			pw.Close()
		}()
		r, err := http.NewRequest(http.MethodPost, server.URL, pr)
		require.NoError(t, err)
		res, err := mustNew(t, retry.Config{PerTry: perTry}).Transport(pool(t)).RoundTrip(r)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, 200, res.StatusCode)
		server.Close()
	}
}

// A server that answers early is tried again while the caller still writes; both
// attempts together read the body once.
func TestT5ARetryBeginsBeforeTheBodyIsComplete(t *testing.T) {
	var n atomic.Int32
	refused := make(chan struct{})
	got := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 1 {
			http.NewResponseController(w).EnableFullDuplex()
			io.ReadFull(r.Body, make([]byte, 5))
			w.WriteHeader(503)
			w.(http.Flusher).Flush()
			return
		}
		close(refused)
		data, _ := io.ReadAll(r.Body)
		got <- string(data)
	}))
	defer server.Close()
	pr, pw := io.Pipe()
	go func() {
		io.WriteString(pw, "first")
		<-refused
		io.WriteString(pw, " second")
		pw.Close()
	}()
	r, err := http.NewRequest(http.MethodPut, server.URL, pr)
	require.NoError(t, err)
	policy := mustNew(t, retry.Config{On: []retry.Condition{retry.ServerError}, Backoff: quick})
	res, err := policy.Transport(pool(t)).RoundTrip(r)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "first second", <-got)
}

func TestT5ExpectContinueIsRespected(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusExpectationFailed) // without a look at the body
	}))
	defer server.Close()
	tr := pool(t)
	tr.ExpectContinueTimeout = time.Minute
	r, err := http.NewRequest(http.MethodPut, server.URL, readerFunc(func([]byte) (int, error) {
		t.Error("the body was read though the server never asked for it")
		return 0, io.EOF
	}))
	require.NoError(t, err)
	r.Header.Set("Expect", "100-continue")
	r.ContentLength = 10
	res, err := mustNew(t, retry.Config{}).Transport(tr).RoundTrip(r)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusExpectationFailed, res.StatusCode)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// When no attempt is left the last one goes on reading the body: the server may
// answer while it does.
func TestT5TheLastAttemptKeepsItsBody(t *testing.T) {
	got := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(503)
		w.(http.Flusher).Flush()
		data, _ := io.ReadAll(r.Body)
		got <- string(data)
	}))
	defer server.Close()
	for name, config := range map[string]retry.Config{
		"no attempt is left": {Attempts: 1, On: []retry.Condition{}, Statuses: []int{503}, ObeyHeaders: true},
		"no budget is left":  {On: []retry.Condition{retry.ServerError}, Budget: mustBudget(t, retry.BudgetConfig{MaxConcurrent: -1})},
	} {
		t.Run(name, func(t *testing.T) {
			pr, pw := io.Pipe()
			r, err := http.NewRequest(http.MethodPut, server.URL, pr)
			require.NoError(t, err)
			r.Header.Set("X-Envoy-Max-Retries", "0")
			config.Backoff = quick
			res, err := mustNew(t, config).Transport(pool(t)).RoundTrip(r)
			require.NoError(t, err)
			require.Equal(t, 503, res.StatusCode)
			_, err = io.WriteString(pw, "the rest")
			require.NoError(t, err)
			pw.Close()
			require.Equal(t, "the rest", <-got)
			res.Body.Close()
		})
	}
}
