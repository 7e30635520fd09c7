package forward_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/forward"
)

func TestTrailersPass(t *testing.T) {
	address := proxy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s %s", body, r.Trailer.Get("X-Check"))
		w.Header().Set("X-Sum", "2")
		w.Header().Set(http.TrailerPrefix+"X-Late", "3")
	}))
	res, body := ask(t, address, "POST / HTTP/1.1\nHost: reviews\nTransfer-Encoding: chunked\nTrailer: X-Check\n\n3\nabc\n0\nX-Check: 1\n\n")
	require.Equal(t, "abc 1", body)
	require.Equal(t, http.Header{"X-Sum": {"2"}, "X-Late": {"3"}}, res.Trailer)
}

func TestInterimAnswersPass(t *testing.T) {
	address := proxy(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		io.WriteString(w, "done")
	}))
	var hints []string
	r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(code, h["Link"]))
			return nil
		},
	}), http.MethodGet, "http://"+address, nil)
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, []string{"103 [</a.css>]"}, hints)
	require.Equal(t, 200, res.StatusCode)
	require.Empty(t, res.Header["Link"])
}

func TestACallerMayWaitToBeAskedForItsBody(t *testing.T) {
	address := proxy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}))
	c, r := dial(t, address)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: reviews\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	head(r)
	fmt.Fprint(c, "abc")
	res, body := answer(t, r)
	if res.StatusCode == http.StatusContinue { // the server's own
		_, body = answer(t, r)
	}
	require.Equal(t, "abc", body)
}

func TestUpgradesPass(t *testing.T) {
	address := proxy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
		line, _ := b.ReadString('\n')
		fmt.Fprint(c, "echo "+line)
	}))
	c, r := dial(t, address)
	fmt.Fprint(c, "GET /chat HTTP/1.1\r\nHost: reviews\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	require.Equal(t, "websocket", res.Header.Get("Upgrade"))
	fmt.Fprint(c, "hello\n")
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "echo hello\n", line)
}

func TestEventsAreFlushed(t *testing.T) {
	next := make(chan string)
	address := proxy(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for event := range next {
			fmt.Fprintf(w, "data: %s\n\n", event)
			http.NewResponseController(w).Flush()
		}
	}))
	c, r := dial(t, address)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: reviews\r\n\r\n")
	for _, event := range []string{"one", "two"} {
		next <- event
		for {
			line, err := r.ReadString('\n')
			require.NoError(t, err)
			if line == "data: "+event+"\n" {
				break
			}
		}
	}
	close(next)
}

// echo answers each line of the request's body at once.
func echo(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if r.ProtoMajor == 1 {
		if err := control.EnableFullDuplex(); err != nil {
			panic(err)
		}
	}
	w.WriteHeader(http.StatusOK)
	control.Flush()
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		fmt.Fprintln(w, "echo", lines.Text())
		control.Flush()
	}
}

func TestBothWaysAtOnce(t *testing.T) {
	for _, name := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(name, func(t *testing.T) {
			address := proxy(t, http.HandlerFunc(echo))
			transport := &http.Transport{Protocols: new(http.Protocols)}
			transport.Protocols.SetHTTP1(name == "HTTP/1.1")
			transport.Protocols.SetUnencryptedHTTP2(name == "HTTP/2")
			t.Cleanup(transport.CloseIdleConnections)
			body, send := io.Pipe()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address, body)
			require.NoError(t, err)
			res, err := transport.RoundTrip(r)
			require.NoError(t, err)
			defer res.Body.Close()
			answers := bufio.NewReader(res.Body)
			for _, line := range []string{"one", "two"} {
				fmt.Fprintln(send, line)
				got, err := answers.ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, "echo "+line+"\n", got)
			}
			require.NoError(t, send.Close())
			_, err = answers.ReadByte()
			require.ErrorIs(t, err, io.EOF)
		})
	}
}

// TestAnAnswerBeforeTheBodyHasEnded closes the connection, as Envoy does, and
// never looks for the next request in the rest of a body.
func TestAnAnswerBeforeTheBodyHasEnded(t *testing.T) {
	address, _ := rawProxy(t, ok)
	c, r := dial(t, address)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: reviews\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	res, body := answer(t, r)
	require.Equal(t, "ok", body)
	require.True(t, res.Close)
	fmt.Fprint(c, "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: reviews\r\n\r\n") //nolint:errcheck // it may be closed
	_, err := r.ReadByte()
	require.Error(t, err, "nothing is answered any more")
}

func TestTheConnectionServesTheNextRequest(t *testing.T) {
	address := proxy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	c, r := dial(t, address)
	for range 3 {
		fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: reviews\r\nContent-Length: 3\r\n\r\nabc")
		res, body := answer(t, r)
		require.Equal(t, "abc", body)
		require.False(t, res.Close)
		fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: reviews\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
		res, body = answer(t, r)
		require.Equal(t, "abc", body)
		require.False(t, res.Close)
	}
}

// refusing is a client that refuses everything without a look at the body.
var refusing = roundTripper(func(r *http.Request) (*http.Response, error) {
	r.Body.Close()
	return nil, &mesh.Error{Op: "test", Flag: mesh.NoHealthyUpstream, Status: 503, Details: mesh.DetailsNoHealthyUpstream}
})

func TestRefusalsOfTheClient(t *testing.T) {
	address := serve(t, forward.New(forward.Config{Client: refusing}))
	c, r := dial(t, address)
	refused := func(close bool) {
		t.Helper()
		res, body := answer(t, r)
		require.Equal(t, 503, res.StatusCode)
		require.Equal(t, "no healthy upstream", body)
		require.Equal(t, close, res.Close)
	}
	// A body that is there is taken out of the way.
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: reviews\r\nContent-Length: 3\r\n\r\nabc")
	refused(false)
	// One that is not is not waited for.
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: reviews\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	refused(true)

	c, r = dial(t, address)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: reviews\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
	refused(true)
	c, r = dial(t, address)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: reviews\r\nContent-Length: 3\r\n\r\na")
	refused(true)
	c, r = dial(t, address)
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: reviews\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("a", 1000))
	refused(true)
}

func TestRefusalsInOwnWords(t *testing.T) {
	address := serve(t, forward.New(forward.Config{Client: refusing, Error: func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusTeapot)
	}}))
	res, body := ask(t, address, "POST / HTTP/1.1\nHost: reviews\nContent-Length: 0\n\n")
	require.Equal(t, http.StatusTeapot, res.StatusCode)
	require.Contains(t, body, "no healthy upstream")
}

func TestTheServerLearnsThatTheCallerLeft(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	address := proxy(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	}))
	c, _ := dial(t, address)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: reviews\r\n\r\n")
	<-began
	c.Close()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the server was not told")
	}
}

func TestAnAnswerThatBreaksOff(t *testing.T) {
	address, _ := rawProxy(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
	c, r := dial(t, address)
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: reviews\r\n\r\n")
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, "hello", string(body))
}

func TestHTTP2(t *testing.T) {
	address := proxy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %q %s", r.Host, r.RequestURI, body, r.Header.Get("Te"))
		w.Header().Set("X-Sum", "1")
	}))
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/a%2F?b;c", strings.NewReader("body"))
	require.NoError(t, err)
	r.Host = "reviews"
	r.Header.Set("Te", "trailers")
	res, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, 2, res.ProtoMajor)
	require.Equal(t, `reviews /a%2F?b;c "body" trailers`, string(body))
	require.Equal(t, "1", res.Trailer.Get("X-Sum"))
}

func TestListenerKeepsHalfClosing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			io.Copy(c, c)
			c.Close()
		}
	}()
	c, err := forward.Listener(l).Accept()
	require.NoError(t, err)
	defer c.Close()
	n, err := c.(io.ReaderFrom).ReadFrom(strings.NewReader("abc"))
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	require.NoError(t, c.(interface{ CloseWrite() error }).CloseWrite())
	body, err := io.ReadAll(c)
	require.True(t, err == nil || errors.Is(err, net.ErrClosed))
	require.Equal(t, "abc", string(body))
}

// Envoy has routes for paths alone, whatever the version of HTTP.
func TestHTTP2TargetsThatAreNoPath(t *testing.T) {
	address := proxy(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was sent on") }))
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	for method, target := range map[string]string{http.MethodOptions: "*", http.MethodConnect: ""} {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address, nil)
		require.NoError(t, err)
		r.URL.Opaque = target
		res, err := transport.RoundTrip(r)
		require.NoError(t, err, method)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err, method)
		res.Body.Close()
		require.Equal(t, http.StatusNotFound, res.StatusCode, method)
		require.Empty(t, body, method)
	}
}
