package timeout

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

const limit = 100 * time.Millisecond

// serve lets a handler answer under the limit, over a connection.
func serve(t *testing.T, h http.HandlerFunc) (status int, header http.Header, body string, err error) {
	t.Helper()
	rt := pipes(t, bounded(t, Config{Total: limit}).Handler(h))
	res, err := send(t.Context(), rt, nil)
	if err != nil {
		return 0, nil, "", err
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(all), err
}

func TestAHandlerThatIsLate(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"returns when its context ends": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"ignores its context":           func(http.ResponseWriter, *http.Request) { time.Sleep(2 * limit) },
		"answers with an error of its own": func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			http.Error(w, r.Context().Err().Error(), http.StatusBadGateway)
		},
		"answers in vain": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "2")
			time.Sleep(2 * limit)
			_, err := io.WriteString(w, "{}")
			assert.ErrorIs(t, err, http.ErrHandlerTimeout)
		},
		"copies a file": func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(2 * limit)
			_, err := io.Copy(w, strings.NewReader(strings.Repeat("x", 1<<16)))
			assert.ErrorIs(t, err, http.ErrHandlerTimeout)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status, header, body, err := serve(t, h)
				require.NoError(t, err)
				require.Equal(t, 504, status)
				require.Equal(t, "upstream request timeout", body)
				require.Equal(t, "text/plain", header.Get("Content-Type"))
				require.Equal(t, "24", header.Get("Content-Length"))
			})
		})
	}
}

func TestAHandlerThatIsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, _, body, err := serve(t, func(w http.ResponseWriter, r *http.Request) {
			deadline, ok := r.Context().Deadline()
			assert.True(t, ok)
			assert.Equal(t, limit, time.Until(deadline))
			time.Sleep(limit / 2)
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "made")
		})
		require.NoError(t, err)
		require.Equal(t, 201, status)
		require.Equal(t, "made", body)
	})
}

func TestAnAnswerThatIsNotFinishedInTimeIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, _, body, err := serve(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "first")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		require.Error(t, err)
		require.Equal(t, 200, status)
		require.Equal(t, "first", body)
	})
}

func TestAnAnswerThatIsWholeIsNotCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status, _, body, err := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			_, _ = io.WriteString(w, "first")
			<-r.Context().Done() // cleans up, say
		})
		require.NoError(t, err)
		require.Equal(t, 200, status)
		require.Equal(t, "first", body)
	})
}

func TestTheAnswerIsNotHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := pipes(t, bounded(t, Config{Total: limit}).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				_, _ = io.WriteString(w, "data: tick\n")
				w.(http.Flusher).Flush()
				time.Sleep(limit / 10)
			}
		})))
		start := time.Now()
		res, err := send(t.Context(), rt, nil)
		require.NoError(t, err)
		lines := bufio.NewScanner(res.Body)
		for i := range 3 {
			require.True(t, lines.Scan())
			require.Equal(t, time.Duration(i)*limit/10, time.Since(start))
		}
		require.False(t, lines.Scan())
		require.NoError(t, lines.Err())
		require.NoError(t, res.Body.Close())
	})
}

func TestAHijackedConnectionIsItsHandlers(t *testing.T) {
	server := httptest.NewServer(bounded(t, Config{Total: time.Nanosecond}).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		<-r.Context().Done()
		_, _ = io.WriteString(conn, "HTTP/1.1 299 Mine\r\nContent-Length: 0\r\n\r\n")
	})))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: svc\r\n\r\n")
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 299, res.StatusCode)
}

func TestACallerWhoLeavesIsNoTimeout(t *testing.T) {
	for name, ctx := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(limit/2, cancel)
			return ctx, cancel
		},
		"an earlier deadline outside": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, limit/2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := ctx(t.Context())
				defer cancel()
				w := httptest.NewRecorder()
				bounded(t, Config{Total: limit}).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					<-r.Context().Done()
					w.WriteHeader(499)
				})).ServeHTTP(w, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
				require.Equal(t, 499, w.Code)
			})
		})
	}
}

func TestCallsOfALateHandlerCountAgainstNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var outcome mesh.Outcome
		_, _, _, err := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			_, err := send(r.Context(), bounded(t, Config{Total: time.Hour}).Transport(waiting{}), nil)
			outcome = mesh.OutcomeOf(r.Context(), nil, err)
		})
		require.NoError(t, err)
		require.Equal(t, mesh.Neutral, outcome.Kind)
	})
}

func TestTheRecordKnowsThatAnAnswerWasCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, r := flow.EnsureServed(httptest.NewRequest("GET", "/", nil).WithContext(t.Context()))
		h := bounded(t, Config{Total: limit}).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			require.Same(t, f, flow.Served(r))
			_, _ = io.WriteString(w, "first")
			<-r.Context().Done()
		}))
		require.PanicsWithValue(t, http.ErrAbortHandler, func() { h.ServeHTTP(httptest.NewRecorder(), r) })
		require.Equal(t, mesh.UpstreamTimeout, f.Tell().Flags)
		require.Equal(t, "response_timeout", f.Tell().Details)
		require.Equal(t, limit, f.Bounded)
	})
}

func TestWhatAServerHonors(t *testing.T) {
	nobody := func(*http.Request) bool { return false }
	for _, c := range []struct {
		name, expected string
		c              Config
		want           time.Duration // zero: not bounded
	}{
		{"shorter than its own", "200", Config{Total: time.Second, Honor: anybody}, 200 * time.Millisecond},
		{"longer than its own", "2000", Config{Total: time.Second, Honor: anybody}, time.Second},
		{"without one of its own", "2000", Config{Honor: anybody}, 2 * time.Second},
		{"cut", "2000", Config{Honor: anybody, MaxHonor: time.Second}, time.Second},
		{"zero says nothing", "0", Config{Honor: anybody}, 0},
		{"not a number", "soon", Config{Honor: anybody}, 0},
		{"of somebody who is not trusted", "200", Config{Total: time.Second, Honor: nobody}, time.Second},
		{"switched off", "200", Config{Total: time.Second}, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set(expectedHeader, c.expected)
			total, late := bounded(t, c.c).now.Load().serving(r)
			require.Nil(t, late)
			require.Equal(t, bound{c.want, c.want > 0}, total)
		})
	}
	total, late := bounded(t, Config{GRPC: true}).now.Load().serving(grpcRequest(t, "150m"))
	require.Nil(t, late)
	require.Equal(t, bound{150 * time.Millisecond, true}, total)
}
