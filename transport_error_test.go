package mesh_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/wiretest"
)

// A breakage is what an error of net/http's transport must be taken for.
type breakage struct {
	reason string
	flag   mesh.Flag
	status int
	stage  mesh.Stage
}

var (
	refused       = breakage{mesh.ReasonRemoteConnectionFailure + "|delayed_connect_error:_Connection_refused", mesh.ConnectFailure, 503, mesh.NotSent}
	unreachable   = breakage{mesh.ReasonRemoteConnectionFailure, mesh.ConnectFailure, 503, mesh.NotSent}
	slowConnect   = breakage{mesh.ReasonConnectionTimeout, mesh.ConnectFailure, 503, mesh.NotSent}
	noTLS         = breakage{mesh.ReasonRemoteConnectionFailure + "|TLS_error", mesh.ConnectFailure, 503, mesh.NotSent}
	terminated    = breakage{mesh.ReasonConnectionTermination, mesh.ConnectionLost, 503, mesh.MaybeProcessed}
	notHTTP       = breakage{mesh.ReasonProtocolError, mesh.ProtocolError, 502, mesh.Answered}
	streamRefused = breakage{mesh.ReasonRefusedStream, mesh.RemoteReset, 503, mesh.NotSent}
	streamReset   = breakage{mesh.ReasonRemoteReset, mesh.RemoteReset, 503, mesh.MaybeProcessed}
)

func (want breakage) check(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	e := mesh.AsError(err)
	require.Equal(t, want, breakage{reasonOf(e), e.Flag, e.Status, e.Stage}, "%v", err)
	require.ErrorIs(t, e, err, "the cause is lost")
}

func reasonOf(e *mesh.Error) string {
	reason := strings.TrimPrefix(e.Details, "upstream_reset_before_response_started{")
	return strings.TrimSuffix(reason, "}")
}

// send makes a request by next and is the error with which it, or the reading
// of its answer, failed.
func send(t *testing.T, next http.RoundTripper, method, url string) error {
	t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = io.MultiReader(strings.NewReader("payload")) // cannot be had again
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	require.NoError(t, err)
	res, err := next.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// pooled is a plain transport, as most users have it.
func pooled(t *testing.T, http2 bool) *http.Transport {
	tr := wiretest.NewClient("", http2).Transport
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func TestBreakagesOfHTTP1(t *testing.T) {
	writes := func(text string) func(net.Conn, *http.Request) {
		return func(c net.Conn, _ *http.Request) { io.WriteString(c, text) }
	}
	for name, tt := range map[string]struct {
		server func(net.Conn, *http.Request)
		want   breakage
	}{
		"closed before an answer":        {func(net.Conn, *http.Request) {}, terminated},
		"reset before an answer":         {func(c net.Conn, _ *http.Request) { wiretest.Reset(c) }, terminated},
		"garbage":                        {writes("this is not HTTP\r\n\r\n"), notHTTP},
		"status that is no number":       {writes("HTTP/1.1 abc\r\n\r\n"), notHTTP},
		"version that is none":           {writes("HTTP/x 200 OK\r\n\r\n"), notHTTP},
		"half a status line":             {writes("HTTP/1.1 20"), notHTTP},
		"half a header":                  {writes("HTTP/1.1 200 OK\r\nContent-"), notHTTP},
		"header without a colon":         {writes("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), notHTTP},
		"length that is no number":       {writes("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), notHTTP},
		"two lengths":                    {writes("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), notHTTP},
		"encoding that nobody knows":     {writes("HTTP/1.1 200 OK\r\nTransfer-Encoding: foo\r\n\r\n"), notHTTP},
		"chunk of a length that is none": {writes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), notHTTP},
		// Only who knows the protocol can tell these from the end of an HTTP/2
		// connection.
		"body cut short":  {writes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), terminated},
		"chunk cut short": {writes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc"), terminated},
	} {
		t.Run(name, func(t *testing.T) {
			server := wiretest.Serve(t, wiretest.HTTP1(tt.server))
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				tt.want.check(t, send(t, pooled(t, false), method, "http://"+server.Addr()))
				tt.want.check(t, send(t, wiretest.NewClient(server.Addr(), false), method, "http://svc.example"))
			}
		})
	}
}

func TestBreakagesOfHTTP2(t *testing.T) {
	for name, tt := range map[string]struct {
		server func(wiretest.H2Stream)
		want   breakage
	}{
		"refused stream":                   {func(s wiretest.H2Stream) { s.Reset(wiretest.RefusedStream) }, streamRefused},
		"cancelled stream":                 {func(s wiretest.H2Stream) { s.Reset(wiretest.Cancel) }, streamReset},
		"internal error":                   {func(s wiretest.H2Stream) { s.Reset(wiretest.InternalError) }, streamReset},
		"enhance your calm":                {func(s wiretest.H2Stream) { s.Reset(wiretest.EnhanceYourCalm) }, streamReset},
		"HTTP/1.1 required":                {func(s wiretest.H2Stream) { s.Reset(wiretest.HTTP11Required) }, streamReset},
		"connection closed":                {func(s wiretest.H2Stream) { s.Conn.Close() }, terminated},
		"going away before the stream":     {func(s wiretest.H2Stream) { s.GoAway(0, wiretest.NoError) }, streamRefused},
		"going away after it, and closed":  {func(s wiretest.H2Stream) { s.GoAway(s.ID, wiretest.NoError); s.Conn.Close() }, terminated},
		"going away with an error, closed": {func(s wiretest.H2Stream) { s.GoAway(s.ID, wiretest.InternalError); s.Conn.Close() }, terminated},
	} {
		t.Run(name, func(t *testing.T) {
			server := wiretest.Serve(t, wiretest.HTTP2(tt.server))
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				tt.want.check(t, send(t, wiretest.NewClient(server.Addr(), true), method, "http://svc.example"))
			}
			// The pool repeats what it can send again, and hides the reason of what it
			// cannot.
			tt.want.check(t, send(t, pooled(t, true), http.MethodPost, "http://"+server.Addr()))
		})
	}
}

func TestConnectionsThatCannotBeMade(t *testing.T) {
	timeout := func(tr *http.Transport) { tr.DialContext = (&net.Dialer{Timeout: 1}).DialContext }
	plain := wiretest.Serve(t, wiretest.HTTP1(func(c net.Conn, _ *http.Request) { wiretest.Answer(c, 200, "") }))
	answering := wiretest.Serve(t, func(c net.Conn) { wiretest.Answer(c, 400, ""); wiretest.Hang(c) })
	silent := wiretest.Serve(t, wiretest.Hang)
	untrusted := httptest.NewTLSServer(nil)
	defer untrusted.Close()
	picky := httptest.NewUnstartedServer(nil)
	picky.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	picky.EnableHTTP2 = true
	picky.StartTLS()
	defer picky.Close()
	old := httptest.NewUnstartedServer(nil)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	old.StartTLS()
	defer old.Close()
	for _, s := range []*httptest.Server{untrusted, picky, old} {
		s.Config.ErrorLog = quiet
	}
	trusting := func(least, most uint16) func(*http.Transport) {
		return func(tr *http.Transport) {
			tr.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: least, MaxVersion: most}
			tr.ForceAttemptHTTP2 = true
		}
	}
	for name, tt := range map[string]struct {
		url    string
		change func(*http.Transport)
		want   breakage
	}{
		"refused":                    {"http://" + wiretest.Refusing(t), nil, refused},
		"no such name":               {"http://no-such-host.invalid", nil, unreachable},
		"not within the time for it": {"http://" + silent.Addr(), timeout, slowConnect},
		// The end of a connection within the handshake cannot be told from one later.
		"TLS, and the server closes":      {"https://" + plain.Addr(), nil, terminated},
		"TLS, and the server speaks HTTP": {"https://" + answering.Addr(), nil, noTLS},
		"a certificate nobody trusts":     {untrusted.URL, nil, noTLS},
		"no common version":               {old.URL, trusting(tls.VersionTLS13, 0), noTLS},
		"no certificate of ours, TLS 1.2": {picky.URL, trusting(0, tls.VersionTLS12), noTLS},
		"a handshake that takes its time": {"https://" + silent.Addr(), func(tr *http.Transport) { tr.TLSHandshakeTimeout = 10 * time.Millisecond }, slowConnect},
	} {
		t.Run(name, func(t *testing.T) {
			tr := &http.Transport{TLSClientConfig: &tls.Config{}}
			if tt.change != nil {
				tt.change(tr)
			}
			t.Cleanup(tr.CloseIdleConnections)
			tt.want.check(t, send(t, tr, http.MethodPost, tt.url))
		})
	}
}

// With TLS 1.3 a client learns only after its handshake that its certificate is
// missing, if the alert reaches it before the end of the connection does.
func TestAMissingClientCertificateUnderTLS13(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(nil)
		server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
		server.EnableHTTP2 = http2
		server.Config.ErrorLog = quiet
		server.StartTLS()
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2}
		e := mesh.AsError(send(t, tr, http.MethodPost, server.URL))
		require.Contains(t, []breakage{noTLS, terminated}, breakage{reasonOf(e), e.Flag, e.Status, e.Stage})
		tr.CloseIdleConnections()
		server.Close()
	}
}

func TestAnAnswerThatIsLateForTheTransport(t *testing.T) {
	silent := wiretest.Serve(t, wiretest.Hang)
	tr := &http.Transport{ResponseHeaderTimeout: 10 * time.Millisecond}
	defer tr.CloseIdleConnections()
	e := mesh.AsError(send(t, tr, http.MethodPost, "http://"+silent.Addr()))
	require.Equal(t, mesh.UpstreamTimeout, e.Flag)
	require.Equal(t, 504, e.Status)
	require.Equal(t, mesh.MaybeProcessed, e.Stage)
	require.Equal(t, mesh.DetailsPerTryTimeout, e.Details, "the request itself has time left")
	require.ErrorIs(t, e, context.DeadlineExceeded)
}

func TestTheEndOfTheCaller(t *testing.T) {
	silent := wiretest.Serve(t, wiretest.Hang)
	for name, tt := range map[string]struct {
		end    func(context.Context) (context.Context, context.CancelFunc)
		flag   mesh.Flag
		status int
	}{
		"cancelled": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(10*time.Millisecond, cancel)
			return ctx, cancel
		}, mesh.ClientGone, 499},
		"out of time": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 10*time.Millisecond)
		}, mesh.UpstreamTimeout, 504},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := tt.end(context.Background())
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+silent.Addr(), nil)
			require.NoError(t, err)
			_, err = wiretest.NewClient(silent.Addr(), false).RoundTrip(r)
			e := mesh.AsError(err)
			require.Equal(t, tt.flag, e.Flag)
			require.Equal(t, tt.status, e.Status)
			require.Equal(t, mesh.Neutral, mesh.OutcomeOf(ctx, nil, err).Kind)
		})
	}
}

// An [http.Client] with a Timeout ends a request by the context and by Cancel, and
// either may come first.
func TestTheEndOfTheCallerByCancel(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			over := make(chan struct{})
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/begun" {
					http.NewResponseController(w).Flush() //nolint:errcheck // the caller sees it
				}
				<-over
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			defer close(over)
			for _, path := range []string{"/silent", "/begun"} {
				var err error // without the client's own words
				client := http.Client{Timeout: 20 * time.Millisecond, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					var res *http.Response
					res, err = server.Client().Transport.RoundTrip(r.WithContext(context.Background())) // Cancel alone ends it
					if err == nil {
						_, err = io.ReadAll(res.Body)
						res.Body.Close()
					}
					return nil, err
				})}
				_, failed := client.Get(server.URL + path)
				require.Error(t, failed)
				require.Error(t, err, path)
				e := mesh.AsError(err)
				require.Equal(t, mesh.ClientGone, e.Flag, "%v", err)
				require.Equal(t, 499, e.Status)
				require.Equal(t, mesh.Neutral, mesh.OutcomeOf(context.Background(), nil, err).Kind)
			}
		})
	}
}

// An error that nothing is known of may have had an effect.
func TestAnUnknownErrorIsALostConnection(t *testing.T) {
	terminated.check(t, errors.New("strange"))
}
