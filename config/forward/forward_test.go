package forward_test

import (
	"cmp"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/forward"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// TestRequestsAsTheyCame compares what a server gets with what the caller sent,
// byte for byte. Names of headers are written and sorted as net/http does.
func TestRequestsAsTheyCame(t *testing.T) {
	for _, tt := range []struct {
		name, sent string
		want       string // empty: as it was sent
	}{
		{name: "nothing is added", sent: "GET / HTTP/1.1\nHost: reviews\n\n"},
		{name: "paths stay", sent: "GET //a/../%2F%7e/./;x=1 HTTP/1.1\nHost: reviews\n\n"},
		{name: "also with bytes that no URL has", sent: "GET /a|b\"<>{%2F/ HTTP/1.1\nHost: reviews\n\n"},
		{name: "a bare question mark stays", sent: "GET /a? HTTP/1.1\nHost: reviews\n\n"},
		{name: "queries stay", sent: "GET /a?x=1;y=%zz&&q?=+%20 HTTP/1.1\nHost: reviews\n\n"},
		{name: "the host keeps its port and case", sent: "GET / HTTP/1.1\nHost: Reviews:9999\n\n"},
		{
			name: "the caller's headers stay",
			sent: "GET / HTTP/1.1\nHost: reviews\nUser-Agent: x/1\nAccept-Encoding: gzip\nForwarded: for=1.2.3.4\n" +
				"X-Forwarded-For: 1.2.3.4, 5.6.7.8\nX-Forwarded-Host: h\nX-Forwarded-Proto: https\nX-Two: 1\nX-Two: 2\nX_under: 1\n\n",
		},
		{
			name: "headers for one hop do not",
			sent: "GET / HTTP/1.1\nHost: reviews\nConnection: keep-alive, x-hop\nKeep-Alive: timeout=5\nProxy-Connection: x\nX-Hop: 1\nUpgrade: foo\nX-End: 1\n\n",
			want: "GET / HTTP/1.1\nHost: reviews\nX-End: 1\n\n",
		},
		{
			name: "trailers may come",
			sent: "GET / HTTP/1.1\nHost: reviews\nTE: trailers, gzip\n\n",
			want: "GET / HTTP/1.1\nHost: reviews\nTe: trailers\n\n",
		},
		{
			name: "a URL is taken for its path and host",
			sent: "GET http://reviews:81/a/%41?b HTTP/1.1\nHost: other\n\n",
			want: "GET /a/%41?b HTTP/1.1\nHost: reviews:81\n\n",
		},
		{name: "a body of nothing is told where one could be", sent: "POST / HTTP/1.1\nHost: reviews\nContent-Length: 0\n\n"},
		{name: "and not elsewhere", sent: "DELETE / HTTP/1.1\nHost: reviews\n\n"},
		{
			name: "methods that few know pass",
			sent: "PURGE /pot HTTP/1.1\nHost: reviews\n\n",
			want: "PURGE /pot HTTP/1.1\nHost: reviews\nContent-Length: 0\n\n",
		},
		{
			name: "a URL need not have a path, nor a scheme in small letters",
			sent: "GET HTTP://reviews HTTP/1.1\nHost: other\n\n",
			want: "GET / HTTP/1.1\nHost: reviews\n\n",
		},
		{
			name: "an offer of HTTP/2 is not repeated",
			sent: "GET / HTTP/1.1\nHost: reviews\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk\n\n",
			want: "GET / HTTP/1.1\nHost: reviews\n\n",
		},
		{name: "passwords for proxies stay", sent: "GET / HTTP/1.1\nHost: reviews\nProxy-Authorization: Basic x\n\n"},
		{
			name: "lines of headers that have one are joined",
			sent: "GET / HTTP/1.1\nHost: reviews\nUser-Agent: x\nUser-Agent: y\nAccept: a\nAccept:\nAccept: b\nCookie: a=1\nCookie: b=2\n\n",
			want: "GET / HTTP/1.1\nHost: reviews\nUser-Agent: x,y\nAccept: a,b\nCookie: a=1\nCookie: b=2\n\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address, requests := rawProxy(t, ok)
			res, body := ask(t, address, tt.sent)
			require.Equal(t, 200, res.StatusCode)
			require.Equal(t, "ok", body)
			got := strings.ReplaceAll(<-requests, "\r\n", "\n")
			got = strings.Replace(got, "Connection: close\n", "", 1) // the raw server's clients keep no connections
			require.Equal(t, cmp.Or(tt.want, tt.sent), got)
		})
	}
}

func TestAnswersAsTheyCame(t *testing.T) {
	address, _ := rawProxy(t, "HTTP/1.1 299 Quite\r\nServer: mine\r\nX-Two: 1\r\nX-Two: 2\r\nKeep-Alive: x\r\nConnection: x-hop\r\nX-Hop: 1\r\nContent-Length: 5\r\n\r\nh\x00llo")
	res, body := ask(t, address, "GET / HTTP/1.1\nHost: reviews\n\n")
	require.Equal(t, 299, res.StatusCode)
	require.Equal(t, "h\x00llo", body)
	res.Header.Del("Date")
	require.Equal(t, http.Header{"Server": {"mine"}, "X-Two": {"1", "2"}, "Content-Length": {"5"}}, res.Header, "without a type there is none")
}

// TestTheClientSeesThePort shows what URL a client gets to see.
func TestTheClientSeesThePort(t *testing.T) {
	for _, tt := range []struct {
		port uint16
		sent string
		want string
	}{
		{80, "GET /x HTTP/1.1\nHost: reviews\n\n", "http://reviews:80/x"},
		{8080, "GET /x HTTP/1.1\nHost: reviews:1\n\n", "http://reviews:8080/x"},
		{80, "GET /x HTTP/1.1\nHost: [2001:db8::1]:9\n\n", "http://[2001:db8::1]:80/x"},
		{80, "GET /x HTTP/1.1\nHost: [2001:db8::1]\n\n", "http://[2001:db8::1]:80/x"},
		{0, "GET /x HTTP/1.1\nHost: reviews:1\n\n", "http://reviews:1/x"},
		{0, "GET /x HTTP/1.1\nHost: reviews\nX-Forwarded-Proto: https\n\n", "https://reviews/x"},
		{0, "GET /x HTTP/1.1\nHost: reviews\nX-Forwarded-Proto: gopher\n\n", "http://reviews/x"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			var url string
			address := serve(t, forward.New(forward.Config{Port: tt.port, Client: roundTripper(func(r *http.Request) (*http.Response, error) {
				url = r.URL.String()
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("ok")), ContentLength: 2}, nil
			})}))
			res, _ := ask(t, address, tt.sent)
			require.Equal(t, 200, res.StatusCode)
			require.Equal(t, tt.want, url)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRefusalsAreEnvoys(t *testing.T) {
	many := strings.Repeat("x-fill: v\n", 101)
	for _, tt := range []struct {
		name, sent string
		status     int
		body       string
	}{
		{"a method in small letters", "get / HTTP/1.1\nHost: reviews\n\n", 400, "Bad Request"},
		{"a method that nobody knows", "BREW /pot HTTP/1.1\nHost: reviews\n\n", 400, "Bad Request"},
		{"no path", "GET * HTTP/1.1\nHost: reviews\n\n", 400, "Bad Request"},
		{"a URL without a host", "GET http:///x HTTP/1.1\nHost: reviews\n\n", 400, "Bad Request"},
		{"a URL without its slashes", "GET http:/reviews HTTP/1.1\nHost: reviews\n\n", 400, "Bad Request"},
		{"a URL with an empty port", "GET http://reviews:/ HTTP/1.1\nHost: reviews\n\n", 400, "Bad Request"},
		{"a URL of another scheme", "GET ftp://reviews/ HTTP/1.1\nHost: reviews\n\n", 400, "Bad Request"},
		{"a tunnel to no port", "CONNECT reviews HTTP/1.1\nHost: reviews\n\n", 400, "Bad Request"},
		{"a host that is none", "GET / HTTP/1.1\nHost: a/b\n\n", 400, "Bad Request"},
		{"bytes that are no text", "GET /\xc3\xa4 HTTP/1.1\nHost: reviews\n\n", 400, "Bad Request"},
		{"an old version", "GET / HTTP/1.0\nHost: reviews\n\n", 426, "Upgrade Required"},
		{"a version that does not exist", "GET / HTTP/3.7\nHost: reviews\n\n", 400, "Bad Request"},
		{"too many headers", "GET / HTTP/1.1\nHost: reviews\n" + many + "\n", 431, "Request Header Fields Too Large"},
		{"too large headers", "GET / HTTP/1.1\nHost: reviews\nx-fill: " + strings.Repeat("v", 70<<10) + "\n\n", 431, "Request Header Fields Too Large"},
		{"far too large headers", "GET / HTTP/1.1\nHost: reviews\nx-fill: " + strings.Repeat("v", 2<<20) + "\n\n", 431, "Request Header Fields Too Large"},
		{"what is not HTTP", "hello, is anybody there?\n\n", 400, "Bad Request"},
		{"a header without a name", "GET / HTTP/1.1\nHost: reviews\n: x\n\n", 400, "Bad Request"},
		{"a transfer coding", "GET / HTTP/1.1\nHost: reviews\nTransfer-Encoding: identity\n\n", 501, "Not Implemented"},
		{"no host", "GET / HTTP/1.1\n\n", 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address := proxy(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request came through") }))
			res, body := ask(t, address, tt.sent)
			require.Equal(t, tt.status, res.StatusCode)
			require.Equal(t, tt.body, body)
			require.EqualValues(t, len(tt.body), res.ContentLength)
			if tt.body == "" {
				require.NotContains(t, res.Header, "Content-Type")
			} else {
				require.Equal(t, []string{"text/plain"}, res.Header["Content-Type"])
			}
			require.True(t, res.Close)
		})
	}
}

// TestRefusalsThatKeepTheConnection are those of requests that Envoy's parser lets in.
func TestRefusalsThatKeepTheConnection(t *testing.T) {
	for _, tt := range []struct {
		name, sent string
		status     int
	}{
		{"a server as a whole", "OPTIONS * HTTP/1.1\nHost: reviews\n\n", 404},
		{"a URL with a query alone", "GET http://reviews?x HTTP/1.1\nHost: reviews\n\n", 404},
		{"a tunnel", "CONNECT reviews:80 HTTP/1.1\nHost: reviews\n\n", 404},
		{"a query that does not say of what type", "QUERY / HTTP/1.1\nHost: reviews\n\n", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address := proxy(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request came through") }))
			res, body := ask(t, address, tt.sent)
			require.Equal(t, tt.status, res.StatusCode)
			require.Empty(t, body)
			require.NotContains(t, res.Header, "Content-Type")
			require.False(t, res.Close)
		})
	}
}

func TestTheDoorIsOpenForWebSocketOnly(t *testing.T) {
	address := serve(t, forward.Door(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299) })))
	for upgrade, want := range map[string]int{"websocket": 299, "WebSocket": 299, "h2c": 299, "TLS/1.0": 403, "websocket, foo": 403, "": 403} {
		res, body := ask(t, address, "GET / HTTP/1.1\nHost: reviews\nConnection: keep-alive, Upgrade\nUpgrade: "+upgrade+"\n\n")
		require.Equal(t, want, res.StatusCode, upgrade)
		require.Empty(t, body)
	}
	res, _ := ask(t, address, "GET / HTTP/1.1\nHost: reviews\nUpgrade: foo\n\n")
	require.Equal(t, 299, res.StatusCode, "an offer that is not for this connection")
}

// TestRepliesOfHandlersAreLeftAlone sends what looks most like net/http's own.
func TestRepliesOfHandlersAreLeftAlone(t *testing.T) {
	for _, text := range []string{"400 Bad Request", "Unsupported transfer encoding"} {
		address := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			http.Error(w, text, 400)
		}))
		res, body := ask(t, address, "GET / HTTP/1.1\nHost: reviews\n\n")
		require.Equal(t, text+"\n", body)
		require.Equal(t, "text/plain; charset=utf-8", res.Header.Get("Content-Type"))
	}
}

func TestTheClientSeesWhatTheCallerSaid(t *testing.T) {
	for _, tt := range []struct {
		name   string
		header http.Header
		scheme string
		agent  []string
	}{
		{"nothing", nil, "http", nil},
		{"an agent without a name", http.Header{"User-Agent": {""}}, "http", []string{""}},
		{"that it came over TLS", http.Header{"X-Forwarded-Proto": {"https"}}, "https", nil},
		{"that twice, which is none of the two schemes", http.Header{"X-Forwarded-Proto": {"https", "https"}}, "http", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://reviews/", nil)
			maps.Copy(r.Header, tt.header)
			seen := false
			forward.New(forward.Config{Client: roundTripper(func(r *http.Request) (*http.Response, error) {
				seen = true
				require.Equal(t, tt.scheme, r.URL.Scheme)
				require.Equal(t, tt.agent, r.Header["User-Agent"])
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
			})}).ServeHTTP(httptest.NewRecorder(), r)
			require.True(t, seen)
		})
	}
}
