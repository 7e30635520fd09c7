package rawpath_test

import (
	"bufio"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/internal/rawpath"
)

func TestPathsGoOverTheWireAsTheyWere(t *testing.T) {
	for _, raw := range []string{
		"/", "/a/b", "/a%2Fb", "/a%2fb", "/a%20b", "//", "//a/b", "/a//b", "/a/../b", "/a|b", "/a%zz", `/a\b`, "/a;p=1", "/%61", "/é",
	} {
		t.Run(raw, func(t *testing.T) {
			u := &url.URL{Scheme: "http", Host: "reviews"}
			rawpath.Set(u, raw)
			require.Equal(t, raw, rawpath.Of(u))
			require.Equal(t, "GET "+raw+"?q=1 HTTP/1.1", sent(t, u))
		})
	}
}

// sent is the first line that net/http writes for a URL.
func sent(t *testing.T, u *url.URL) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	line := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			line <- err.Error()
			return
		}
		defer conn.Close()
		first, _ := bufio.NewReader(conn).ReadString('\n')
		line <- strings.TrimSpace(first)
	}()
	w := *u
	w.Host, w.RawQuery = listener.Addr().String(), "q=1"
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	_, _ = transport.RoundTrip(&http.Request{Method: http.MethodGet, URL: &w, Header: http.Header{}})
	return <-line
}
