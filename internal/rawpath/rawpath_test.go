package rawpath_test

import (
	"bufio"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/rawpath"
	"github.com/sidecarless/mesh/match"
)

// sent is the target in the first line that net/http writes for u.
func sent(t *testing.T, u url.URL) string {
	t.Helper()
	var wire strings.Builder
	require.NoError(t, (&http.Request{Method: "GET", URL: &u, Header: http.Header{}}).Write(&wire))
	line, err := bufio.NewReader(strings.NewReader(wire.String())).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSuffix(strings.TrimPrefix(line, "GET "), " HTTP/1.1\r\n")
}

func TestPathsGoOverTheWireAsTheyAre(t *testing.T) {
	for _, raw := range []string{
		"/", "/a/b", "/a%2Fb", "/a%2fb", "/a%20b", "//", "//a/b", "/a//b", "/a/../b", "/a|b", "/a%zz", `/a\b`, "/a;p=1", "/%61", "/é", "/a'b", `/a"b`, "/a<b>",
	} {
		t.Run(raw, func(t *testing.T) {
			u := url.URL{Scheme: "http", Host: "reviews", RawQuery: "q=1", Opaque: "/before"}
			rawpath.Set(&u, raw)
			require.Equal(t, raw+"?q=1", sent(t, u))
			v := match.ViewOf(&http.Request{URL: &u})
			require.Equal(t, raw, v.Path())
		})
	}
}

func TestAnOddPathWithTwoSlashesIsEscaped(t *testing.T) {
	u := url.URL{Scheme: "http", Host: "reviews"}
	rawpath.Set(&u, "//a|b")
	require.Equal(t, "//a%7Cb", sent(t, u))
}

func TestHandlersReadTheDecodedPath(t *testing.T) {
	u := url.URL{}
	require.True(t, rawpath.Serve(&u, "/a%2Fb"))
	require.Equal(t, "/a/b", u.Path)
	require.Equal(t, "/a%2Fb", u.RawPath)
	require.False(t, rawpath.Serve(&u, "/a%zz"))
	require.Equal(t, "/a%zz", u.Path)
}

func FuzzSet(f *testing.F) {
	for _, raw := range []string{"/a", "/a%2Fb", "/a|b", "/%", "//x", "/a%00"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") {
			return
		}
		for i := range len(raw) {
			if raw[i] <= ' ' || raw[i] == 0x7f || raw[i] == '?' || raw[i] == '#' {
				return // not in a request's target
			}
		}
		u := url.URL{Scheme: "http", Host: "reviews"}
		rawpath.Set(&u, raw)
		if got := u.RequestURI(); got != raw {
			t.Errorf("%q is sent as %q", raw, got)
		}
	})
}
