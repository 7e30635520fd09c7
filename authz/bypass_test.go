package authz_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/match"
)

// Every way in is tried over a connection, byte for byte. Nothing of it may reach
// the handler: /admin is closed to all, and /open is for GET to example.com with
// the header x-role: user from the address that one proxy saw.
func TestWaysInThatMustFail(t *testing.T) {
	admin := authz.Set{In: []match.Value{match.Segments("/admin")}}
	a := newAuthorizer(t, authz.Config{
		TrustedHops: 1,
		Policies: []authz.Policy{
			deny(to(authz.Operation{Paths: admin})),
			allow(authz.Rule{
				To:   []authz.Operation{{Hosts: exact("example.com"), Methods: exact("GET"), Paths: exact("/open", "/admin")}},
				From: []authz.Source{{Remotes: nets("192.0.2.1/32"), Principals: authz.Set{NotIn: exact(frontend).In}}},
				When: []authz.Condition{{Key: "request.headers[x-role]", Values: authz.Set{In: exact("user").In, NotIn: exact("root").In}}},
			}),
		},
	})
	reached := ""
	server := httptest.NewServer(a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached = r.RequestURI })))
	defer server.Close()
	send := func(t *testing.T, text string) int {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		require.NoError(t, err)
		defer c.Close()
		fmt.Fprint(c, strings.ReplaceAll(text, "\n", "\r\n"))
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		res.Body.Close()
		return res.StatusCode
	}
	const headers = "Connection: close\nX-Role: user\nX-Forwarded-For: 192.0.2.1\n"
	require.Equal(t, 200, send(t, "GET /open HTTP/1.1\nHost: Example.com\n"+headers+"\n"), "what is allowed comes through")
	reached = ""

	line := func(l string) string { return l + " HTTP/1.1\nHost: example.com\n" + headers + "\n" }
	for _, c := range []struct{ name, text string }{
		{"the path itself", line("GET /admin")},
		{"below it", line("GET /admin/x")},
		{"an empty segment before", line("GET //admin")},
		{"empty segments before", line("GET ///admin")},
		{"an empty segment behind", line("GET /open//")},
		{"a dot", line("GET /./admin")},
		{"a dot behind", line("GET /admin/.")},
		{"two dots", line("GET /open/../admin")},
		{"two dots above the root", line("GET /../../admin")},
		{"two dots behind the path allowed", line("GET /open/..")},
		{"escaped dots", line("GET /open/%2e%2e/admin")},
		{"escaped dots in capitals", line("GET /open/%2E%2E/admin")},
		{"a dot of two that is escaped", line("GET /open/.%2e/admin")},
		{"an escaped letter", line("GET /%61dmin")},
		{"an escaped letter in capitals", line("GET /adm%49n")},
		{"an escape that is escaped", line("GET /%2561dmin")},
		{"an escaped slash", line("GET /open%2Fadmin")},
		{"an escaped slash in front", line("GET /%2Fadmin")},
		{"an escaped slash with dots", line("GET /open%2F..%2Fadmin")},
		{"an escaped backslash", line("GET /open%5C..%5Cadmin")},
		{"a backslash", line(`GET /open\..\admin`)},
		{"a backslash in front", line(`GET \admin`)},
		{"a parameter", line("GET /admin;x=y")},
		{"a parameter behind the path allowed", line("GET /open;x=/admin")},
		{"a parameter with dots", line("GET /open/..;/admin")},
		{"upper case", line("GET /ADMIN")},
		{"mixed case", line("GET /Open")},
		{"a slash at the end", line("GET /open/")},
		{"an escaped NUL", line("GET /open%00")},
		{"a NUL between", line("GET /adm%00in")},
		{"a bad escape", line("GET /open%zz")},
		{"half an escape", line("GET /open%2")},
		{"an escaped space behind", line("GET /open%20")},
		{"an escaped line end", line("GET /open%0d%0a")},
		{"a fragment", line("GET /open#/admin")},
		{"an escaped question mark", line("GET /open%3F")},
		{"bytes outside of ASCII", line("GET /\xc3\xb6pen")},
		{"an overlong slash", line("GET /open%c0%af..%c0%afadmin")},
		{"a full-width letter", line("GET /%ef%bc%a1dmin")},
		{"absolute form", line("GET http://example.com/admin")},
		{"absolute form with dots", line("GET http://example.com/open/../admin")},
		{"absolute form of another host", line("GET http://other.example/open")},
		{"absolute form with a user", line("GET http://example.com@other.example/open")},
		{"the path in the query", line("GET /?/open")},
		{"no path", line("GET *")},
		{"no slash", line("GET open")},
		{"a method in small letters", line("get /open")},
		{"a method in odd case", line("Get /open")},
		{"another method", line("POST /open")},
		{"a method of one's own", line("GETX /open")},
		{"HEAD is not GET", line("HEAD /open")},
		{"CONNECT", line("CONNECT example.com:80")},
		{"another host", "GET /open HTTP/1.1\nHost: other.example\n" + headers + "\n"},
		{"the host with a port", "GET /open HTTP/1.1\nHost: example.com:80\n" + headers + "\n"},
		{"the host with a dot at the end", "GET /open HTTP/1.1\nHost: example.com.\n" + headers + "\n"},
		{"the host with more before it", "GET /open HTTP/1.1\nHost: xexample.com\n" + headers + "\n"},
		{"the host with more behind it", "GET /open HTTP/1.1\nHost: example.com.evil\n" + headers + "\n"},
		{"the host with a user", "GET /open HTTP/1.1\nHost: example.com@evil\n" + headers + "\n"},
		{"two hosts", "GET /open HTTP/1.1\nHost: other.example\nHost: example.com\n" + headers + "\n"},
		{"an empty host", "GET /open HTTP/1.1\nHost:\n" + headers + "\n"},
		{"no host", "GET /open HTTP/1.1\n" + headers + "\n"},
		{"HTTP/1.0 without a host", "GET /open HTTP/1.0\n" + headers + "\n"},
		{"the host in another header", "GET /open HTTP/1.1\nHost: other.example\nX-Forwarded-Host: example.com\n" + headers + "\n"},
		{"no role", "GET /open HTTP/1.1\nHost: example.com\nX-Forwarded-For: 192.0.2.1\n\n"},
		{"an empty role", "GET /open HTTP/1.1\nHost: example.com\nX-Role:\nX-Forwarded-For: 192.0.2.1\n\n"},
		{"the role in another case", "GET /open HTTP/1.1\nHost: example.com\nX-Role: User\nX-Forwarded-For: 192.0.2.1\n\n"},
		{"the role with an underscore", "GET /open HTTP/1.1\nHost: example.com\nX_Role: user\nX-Forwarded-For: 192.0.2.1\n\n"},
		{"the role in a list", "GET /open HTTP/1.1\nHost: example.com\nX-Role: guest, user\nX-Forwarded-For: 192.0.2.1\n\n"},
		{"an excluded role on a further line", strings.Replace(line("GET /open"), "X-Role: user\n", "X-Role: user\nX-Role: root\n", 1)},
		{"an excluded role before", strings.Replace(line("GET /open"), "X-Role: user\n", "x-role: root\nX-Role: user\n", 1)},
		{"the role in a folded line", strings.Replace(line("GET /open"), "X-Role: user\n", "X-Other: a\n X-Role: user\n", 1)},
		{"the role in a trailer", "GET /open HTTP/1.1\nHost: example.com\nX-Forwarded-For: 192.0.2.1\nTransfer-Encoding: chunked\nTrailer: X-Role\n\n0\nX-Role: user\n\n"},
		{"an address of another", strings.Replace(line("GET /open"), "192.0.2.1", "198.51.100.1", 1)},
		{"the address before that of another", strings.Replace(line("GET /open"), "192.0.2.1", "192.0.2.1, 198.51.100.1", 1)},
		{"the address on a line before that of another", strings.Replace(line("GET /open"), "X-Forwarded-For: 192.0.2.1\n", "X-Forwarded-For: 192.0.2.1\nX-Forwarded-For: 198.51.100.1\n", 1)},
		{"the address with a port", strings.Replace(line("GET /open"), "192.0.2.1", "192.0.2.1:80", 1)},
		{"the address in another header", strings.Replace(line("GET /open"), "X-Forwarded-For", "X-Real-Ip", 1)},
		{"the address in Forwarded", strings.Replace(line("GET /open"), "X-Forwarded-For: ", "Forwarded: for=", 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			status := send(t, c.text)
			require.Contains(t, []int{400, 403, 501}, status)
			require.Empty(t, reached)
		})
	}
}

func TestAnIdentityCannotBeClaimedInHeaders(t *testing.T) {
	a := newAuthorizer(t, authz.Config{Policies: []authz.Policy{allow(from(authz.Source{Principals: exact(frontend)}))}})
	for _, name := range []string{"X-Forwarded-Client-Cert", "X-Spiffe-Id", "Authorization", "Source.principal"} {
		for _, value := range []string{frontend, "spiffe://" + frontend, "By=x;URI=spiffe://" + frontend} {
			require.False(t, a.Decide(request("GET /x", withHeader(name, value))).Allowed)
		}
	}
}
