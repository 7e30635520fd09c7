package meshtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

// A roundTrip is a RoundTripper by its method.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type transportLayer = func(http.RoundTripper) http.RoundTripper

func TestLayersThatKeepTheContractPass(t *testing.T) {
	for name, layer := range map[string]transportLayer{
		"none":                   func(next http.RoundTripper) http.RoundTripper { return next },
		"mesh.ErrorsAsResponses": mesh.ErrorsAsResponses,
		"one that copies": func(next http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				r = r.Clone(r.Context())
				if r.Header == nil {
					r.Header = make(http.Header)
				}
				r.Header.Set("X-Added", "1")
				return next.RoundTrip(r)
			})
		},
		"one that refuses": func(http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.Body != nil {
					r.Body.Close()
				}
				return nil, &mesh.Error{Flag: mesh.Overflow, Status: 503}
			})
		},
		"one that answers": func(http.RoundTripper) http.RoundTripper { return NewUpstream(Reply{Status: 503}) },
	} {
		t.Run(name, func(t *testing.T) { TestTransport(t, layer) })
	}
}

func TestTheTransportOfTheStandardLibraryKeepsTheContract(t *testing.T) {
	// The contract must not ask for more than net/http gives: here each request goes
	// over a socket to a server that hands it to the layer below.
	t.Run("as the base", func(t *testing.T) {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
		defer srv.Close()
		k := &transportCheck{violations: violations{patience: patience}, layer: func(http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				to := r.Clone(r.Context())
				to.URL.Host = srv.Listener.Addr().String()
				return srv.Client().Transport.RoundTrip(to)
			})
		}}
		for _, c := range transportContract {
			c.check(k)
			require.Empty(t, k.found(), c.name)
		}
	})
}

// broken lists mistakes that people make in client layers, and the cases that
// find them.
var broken = map[string]struct {
	layer func(next http.RoundTripper, r *http.Request) (*http.Response, error)
	cases []string
}{
	"sets a header on the caller's request": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if r.Header != nil {
				r.Header.Set("X-Added", "1")
			}
			return next.RoundTrip(r)
		},
		cases: []string{"the caller's request is not changed"},
	},
	"changes the caller's URL": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			r.URL.Host = "10.0.0.1:80"
			return next.RoundTrip(r)
		},
		cases: []string{"the caller's request is not changed"},
	},
	"replaces the caller's body": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if r.Body != nil {
				r.Body = struct {
					io.Reader
					io.Closer
				}{r.Body, r.Body}
			}
			return next.RoundTrip(r)
		},
		cases: []string{"the caller's request is not changed"},
	},
	"refuses and forgets the body": {
		layer: func(http.RoundTripper, *http.Request) (*http.Response, error) { return nil, errors.New("refused") },
		cases: []string{"the body is closed exactly once whatever happens"},
	},
	"closes the body once more": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if r.Body != nil {
				defer r.Body.Close()
			}
			return next.RoundTrip(r)
		},
		cases: []string{"the body is closed exactly once whatever happens"},
	},
	"assumes a body": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			io.Copy(io.Discard, io.LimitReader(r.Body, 0))
			r.Body.Close()
			return next.RoundTrip(r)
		},
		cases: []string{"a request without a body is taken"},
	},
	"assumes a header map": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			c := r.WithContext(r.Context())
			c.Header = r.Header.Clone()
			c.Header["X-Added"] = []string{"1"}
			return next.RoundTrip(c)
		},
		cases: []string{"a request without a header map does not panic"},
	},
	"starts from a context of its own": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			return next.RoundTrip(r.WithContext(context.Background()))
		},
		cases: []string{
			"values and deadline of the caller's context reach the next layer",
			"the cause of a cancel is kept while waiting for the answer",
			"the cause of a cancel is kept while reading the answer",
			"a context that has ended ends the request",
		},
	},
	"loses the cause": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if r.Context().Err() != nil {
				return nil, r.Context().Err()
			}
			return res, err
		},
		cases: []string{"the cause of a cancel is kept while waiting for the answer", "a context that has ended ends the request"},
	},
	"ends its context at return": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			return next.RoundTrip(r.WithContext(ctx))
		},
		cases: []string{"the cause of a cancel is kept while reading the answer"},
	},
	"tells errors by text": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if err != nil {
				return nil, errors.New("layer: " + err.Error())
			}
			return res, nil
		},
		cases: []string{"an error of the next layer is found by errors.Is"},
	},
	"returns a response and an error": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if err != nil {
				return answer(r, 503, http.NoBody), err
			}
			return res, nil
		},
		cases: []string{"an error of the next layer is found by errors.Is"},
	},
	"returns nothing": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			res, _ := next.RoundTrip(r)
			return res, nil
		},
		cases: []string{"an error of the next layer is found by errors.Is"},
	},
	"buffers the answer": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			data, err := io.ReadAll(res.Body)
			if err != nil {
				return nil, err
			}
			res.Body = text(string(data))
			return res, nil
		},
		cases: []string{
			"an upgraded connection keeps both directions",
			"an answer closed early is closed below",
			"the answer's body streams",
		},
	},
	"wraps the body and loses its other direction": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if err == nil {
				res.Body = struct {
					io.Reader
					io.Closer
				}{res.Body, res.Body}
			}
			return res, err
		},
		cases: []string{"an upgraded connection keeps both directions"},
	},
	"copies the response before its trailers are known": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			res, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			c := *res
			c.Trailer = res.Trailer.Clone()
			return &c, nil
		},
		cases: []string{"trailers are there at the end of the body"},
	},
	"buffers the request": {
		layer: func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if r.Body == nil || r.Body == http.NoBody {
				return next.RoundTrip(r)
			}
			data, err := io.ReadAll(r.Body)
			r.Body.Close()
			if err != nil {
				return nil, err
			}
			c := r.Clone(r.Context())
			c.Body = io.NopCloser(bytes.NewReader(data))
			return next.RoundTrip(c)
		},
		cases: []string{"the request's body streams", "a body is not read before the server wants it"},
	},
	"swallows panics": {
		layer: func(next http.RoundTripper, r *http.Request) (res *http.Response, err error) {
			defer func() {
				if p := recover(); p != nil {
					panic("layer: recovered")
				}
			}()
			return next.RoundTrip(r)
		},
		cases: []string{"a panic of the next layer passes"},
	},
}

func TestMistakesInClientLayersAreFound(t *testing.T) {
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			layer := func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(r *http.Request) (*http.Response, error) { return b.layer(next, r) })
			}
			found := map[string][]string{}
			for _, c := range transportContract {
				k := &transportCheck{violations: violations{patience: hasty}, layer: layer}
				c.check(k)
				if list := k.found(); len(list) > 0 {
					found[c.name] = list
				}
			}
			for _, want := range b.cases {
				require.Contains(t, found, want)
			}
		})
	}
}

func TestALayerThatMixesRequestsIsFound(t *testing.T) {
	var mu sync.Mutex
	var last *http.Request
	k := &transportCheck{violations: violations{patience: hasty}, layer: func(next http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			mine := last
			last = r
			mu.Unlock()
			if mine == nil {
				mine = r
			}
			res, err := next.RoundTrip(r)
			res.Body = text(mine.Header.Get("X-Request-Id"))
			return res, err
		})
	}}
	concurrent(k)
	require.NotEmpty(t, k.found())
}

func TestEveryCaseFindsSomething(t *testing.T) {
	var used []string
	for _, b := range broken {
		used = append(used, b.cases...)
	}
	used = append(used, "requests at the same time do not mix", "an answer's body reads to its end and closes twice")
	for _, c := range transportContract {
		require.True(t, slices.Contains(used, c.name), "no mistake in the table is found by %q", c.name)
	}
}

func TestABodyThatIsSpoiltIsFound(t *testing.T) {
	for name, spoil := range map[string]func(io.ReadCloser) io.ReadCloser{
		"cut":              func(b io.ReadCloser) io.ReadCloser { return io.NopCloser(io.LimitReader(b, 3)) },
		"never closed":     func(b io.ReadCloser) io.ReadCloser { return io.NopCloser(b) },
		"closes only once": func(b io.ReadCloser) io.ReadCloser { return &onceBody{ReadCloser: b} },
	} {
		t.Run(name, func(t *testing.T) {
			k := &transportCheck{violations: violations{patience: hasty}, layer: func(next http.RoundTripper) http.RoundTripper {
				return roundTrip(func(r *http.Request) (*http.Response, error) {
					res, err := next.RoundTrip(r)
					res.Body = spoil(res.Body)
					return res, err
				})
			}}
			responseBody(k)
			require.Len(t, k.found(), map[string]int{"cut": 2, "never closed": 1, "closes only once": 1}[name], "%v", k.found())
		})
	}
}

type onceBody struct {
	io.ReadCloser
	closed bool
}

func (b *onceBody) Close() error {
	if b.closed {
		return errors.New("closed already")
	}
	b.closed = true
	return b.ReadCloser.Close()
}

func TestASnapshotNamesWhatWasChanged(t *testing.T) {
	for want, change := range map[string]func(*http.Request){
		"":              func(*http.Request) {},
		"Method":        func(r *http.Request) { r.Method = "PUT" },
		"Host":          func(r *http.Request) { r.Host = "other" },
		"Header":        func(r *http.Request) { r.Header.Add("Accept", "x") },
		"Body":          func(r *http.Request) { r.Body = http.NoBody },
		"GetBody":       func(r *http.Request) { r.GetBody = func() (io.ReadCloser, error) { return nil, nil } },
		"URL":           func(r *http.Request) { r.URL.Path = "/x" },
		"ContentLength": func(r *http.Request) { r.ContentLength = 7 },
		"Close":         func(r *http.Request) { r.Close = true },
		"Context":       func(r *http.Request) { *r = *r.WithContext(t.Context()) },
	} {
		r := request(context.Background(), "POST", text("x"))
		s := snap(r)
		change(r)
		got := strings.Join(s.changes(), " ")
		require.True(t, want == got || want != "" && strings.HasPrefix(got, want), "%q: got %q", want, got)
	}
}

// hasty is enough patience where something is known not to happen.
const hasty = 200 * time.Millisecond

func TestALayerThatHangsIsTold(t *testing.T) {
	v := violations{patience: patience}
	release := make(chan struct{})
	defer close(release)
	v.run(time.Millisecond, func() { <-release })
	require.Equal(t, []string{"the layer hangs"}, v.found())
}

func TestALayerThatPanicsIsTold(t *testing.T) {
	v := violations{patience: patience}
	v.run(patience, func() { panic("bug") })
	require.Len(t, v.found(), 1)
	require.Contains(t, v.found()[0], "the layer panicked: bug")
	v.run(patience, func() { panic(http.ErrAbortHandler) })
	require.Len(t, v.found(), 1, "which is how a handler breaks a connection")
}
