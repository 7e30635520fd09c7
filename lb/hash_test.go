package lb

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/sidecarless/mesh"
	"github.com/stretchr/testify/require"
)

// An envoyPolicy is a hash policy in Envoy's own words.
type envoyPolicy struct {
	Header *struct {
		Name    string `json:"header_name"`
		Rewrite *struct {
			Pattern      struct{ Regex string }
			Substitution string
		} `json:"regex_rewrite"`
	}
	Cookie *struct {
		Name, Path string
		TTL        *string
		Attributes []CookieAttribute
	}
	Query *struct{ Name string } `json:"query_parameter"`
	Conn  *struct {
		SourceIP bool `json:"source_ip"`
	} `json:"connection_properties"`
	Terminal bool
}

func (p envoyPolicy) source(t *testing.T) HashSource {
	s := HashSource{Terminal: p.Terminal}
	switch {
	case p.Header != nil:
		s.Header = p.Header.Name
		if w := p.Header.Rewrite; w != nil {
			s.Rewrite = HashRewrite{w.Pattern.Regex, w.Substitution}
		}
	case p.Cookie != nil:
		s.Cookie = &HashCookie{Name: p.Cookie.Name, Path: p.Cookie.Path, Attributes: p.Cookie.Attributes}
		if ttl := p.Cookie.TTL; ttl != nil {
			s.Cookie.Issue = true
			var err error
			s.Cookie.MaxAge, err = time.ParseDuration(*ttl)
			require.NoError(t, err)
		}
	case p.Query != nil:
		s.Query = p.Query.Name
	default:
		require.True(t, p.Conn.SourceIP)
		s.SourceIP = true
	}
	return s
}

func envoyHasher(t *testing.T, policies []envoyPolicy) *Hasher {
	var sources []HashSource
	for _, p := range policies {
		sources = append(sources, p.source(t))
	}
	h, err := NewHasher(sources...)
	require.NoError(t, err)
	return h
}

// fiftyHosts are 127.0.0.1:28001 to 28050 behind a table of 65537 slots, as the
// policies were recorded.
func fiftyHosts(t *testing.T) Picker {
	var hosts []*Host
	for port := 28001; port <= 28050; port++ {
		hosts = append(hosts, placedEndpoint{Port: port}.host())
	}
	p, err := Maglev{}.Picker(hosts)
	require.NoError(t, err)
	return p
}

func request(t testing.TB, path string, headers [][2]string) *http.Request {
	u, err := url.ParseRequestURI(path)
	require.NoError(t, err)
	u.Scheme, u.Host = "http", "svc.example"
	r := &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}
	for _, h := range headers {
		r.Header.Add(h[0], h[1])
	}
	return r
}

func TestSourcesHashRequestsAsEnvoysPoliciesDo(t *testing.T) {
	picker := fiftyHosts(t)
	for _, c := range envoyCases[struct {
		ID       string
		Host     string
		Policies []envoyPolicy
		Port     int
		Random   bool
		Request  struct {
			Path     string
			Headers  [][2]string
			SourceIP string `json:"source_ip"`
		}
	}](t, "hash_policy") {
		t.Run(c.ID, func(t *testing.T) {
			r := request(t, c.Request.Path, c.Request.Headers)
			r.Host = c.Host
			r.RemoteAddr = "127.0.0.1:40000"
			if c.Request.SourceIP != "" {
				r.RemoteAddr = c.Request.SourceIP + ":40000"
			}
			hash, ok, setCookies := envoyHasher(t, c.Policies).Hash(r, 0)
			require.Empty(t, setCookies)
			require.Equal(t, c.Random, !ok)
			if ok {
				require.Equal(t, placedEndpoint{Port: c.Port}.addr(), picker.Pick(Query{Hash: hash, Hashed: true}).Addr())
			}
		})
	}
}

func TestCookiesAreIssuedAsEnvoyIssuesThem(t *testing.T) {
	picker := fiftyHosts(t)
	for _, c := range envoyCases[struct {
		ID            string
		Policies      []envoyPolicy
		Remote        string `json:"downstream_remote"`
		Local         string `json:"downstream_local"`
		Headers       [][2]string
		Port          int
		SetCookie     []string `json:"set_cookie"`
		SecondPort    int      `json:"second_request_port"`
		SecondCookies []string `json:"second_set_cookie"`
	}](t, "cookie_policy") {
		t.Run(c.ID, func(t *testing.T) {
			local, err := net.ResolveTCPAddr("tcp", c.Local)
			require.NoError(t, err)
			r := request(t, "/", c.Headers)
			r.RemoteAddr = c.Remote
			r = r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(local)))
			h := envoyHasher(t, c.Policies)
			for _, want := range []struct {
				port    int
				cookies []string
			}{{c.Port, c.SetCookie}, {c.SecondPort, c.SecondCookies}} {
				hash, ok, cookies := h.Hash(r, 0)
				require.Equal(t, want.cookies, cookies)
				if !ok {
					require.NotEqual(t, c.Port, c.SecondPort, "recorded as without a hash")
					continue
				}
				require.Equal(t, placedEndpoint{Port: want.port}.addr(), picker.Pick(Query{Hash: hash, Hashed: true}).Addr())
			}
		})
	}
}

func TestCombinationRotatesWhatCameBefore(t *testing.T) {
	h, err := NewHasher(HashSource{Header: "X-A"}, HashSource{Header: "x-b"})
	require.NoError(t, err)
	hash, ok, _ := h.Hash(request(t, "/", [][2]string{{"x-a", "1"}, {"x-b", "2"}}), 0)
	require.True(t, ok)
	require.Equal(t, "f49918e7a8a9022", strconv.FormatUint(hash, 16))
}

func TestAnIssuedCookieLeadsBackToTheSameHost(t *testing.T) {
	h, err := NewHasher(HashSource{Cookie: &HashCookie{Name: "sid", Issue: true}})
	require.NoError(t, err)
	for _, draw := range []uint64{0, 1, 0xfedcba9876543210, 1 << 63} {
		r := request(t, "/", nil)
		first, ok, cookies := h.Hash(r, draw)
		require.True(t, ok)
		require.Len(t, cookies, 1)

		set, err := http.ParseSetCookie(cookies[0])
		require.NoError(t, err)
		require.Len(t, set.Value, 16)
		require.True(t, set.HttpOnly)
		r.AddCookie(&http.Cookie{Name: set.Name, Value: set.Value})
		second, ok, cookies := h.Hash(r, draw+1)
		require.True(t, ok)
		require.Empty(t, cookies)
		require.Equal(t, first, second)
	}
}

func TestSourceIPGoesByTheLastForwardedAddressIfAsked(t *testing.T) {
	for _, c := range []struct {
		name      string
		remote    string
		forwarded []string
		ignore    bool
		want      string // empty: no hash
	}{
		{name: "the connection's address without its port", remote: "10.1.2.3:5555", want: "10.1.2.3"},
		{name: "an IPv6 address without brackets", remote: "[2001:db8::1]:5555", want: "2001:db8::1"},
		{name: "nothing for a plain client", want: ""},
		{name: "nothing for a peer without an IP address", remote: "@", want: ""},
		{name: "the forwarded address before the connection's", remote: "10.1.2.3:5555", forwarded: []string{"10.9.9.9"}, want: "10.9.9.9"},
		{name: "the forwarded address of a plain client", forwarded: []string{"10.9.9.9"}, want: "10.9.9.9"},
		{name: "the last of several in a line", forwarded: []string{"10.9.9.9, 10.8.8.8"}, want: "10.8.8.8"},
		{name: "the last of several lines", forwarded: []string{"10.9.9.9", " 10.7.7.7 "}, want: "10.7.7.7"},
		{name: "the connection's address where the last is none", remote: "10.1.2.3:5555", forwarded: []string{"10.9.9.9, unknown"}, want: "10.1.2.3"},
		{name: "an IPv6 address in its short form", forwarded: []string{"2001:DB8:0::1"}, want: "2001:db8::1"},
		{name: "the connection's address if not asked", ignore: true, remote: "10.1.2.3:5555", forwarded: []string{"10.9.9.9"}, want: "10.1.2.3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := NewHasher(HashSource{SourceIP: true, Forwarded: !c.ignore})
			require.NoError(t, err)
			r := request(t, "/", nil)
			r.RemoteAddr = c.remote
			if c.forwarded != nil {
				r.Header["X-Forwarded-For"] = c.forwarded
			}
			hash, ok, _ := h.Hash(r, 0)
			require.Equal(t, c.want != "", ok)
			if ok {
				require.Equal(t, xxhash.Sum64String(c.want), hash)
			}
		})
	}
}

func TestPartsOfTheRequestCountAsHeaders(t *testing.T) {
	r := request(t, "/a%20b?c=d", nil)
	for name, want := range map[string]string{
		":path": "/a%20b?c=d", ":authority": "svc.example", "Host": "svc.example", ":method": "GET", ":scheme": "http",
	} {
		h, err := NewHasher(HashSource{Header: name})
		require.NoError(t, err)
		hash, ok, _ := h.Hash(r, 0)
		require.True(t, ok, name)
		require.Equal(t, xxhash.Sum64String(want), hash, name)
	}
	h, err := NewHasher(HashSource{Header: ":path", Rewrite: HashRewrite{`\?.*`, ""}})
	require.NoError(t, err)
	hash, _, _ := h.Hash(r, 0)
	require.Equal(t, xxhash.Sum64String("/a%20b"), hash)
}

func TestRewritesReadSubstitutesAsRE2Does(t *testing.T) {
	for _, c := range []struct{ regex, substitute, value, want string }{
		{`^(\w+)@(\w+)$`, `\2/\1`, "ann@home", "home/ann"},
		{`\d+`, `<\0>`, "a1b22", "a<1>b<22>"},
		{`a`, `$1\\`, "a", `$1\`},
		{`a`, ``, "banana", "bnn"},
	} {
		h, err := NewHasher(HashSource{Header: "x", Rewrite: HashRewrite{c.regex, c.substitute}})
		require.NoError(t, err)
		hash, ok, _ := h.Hash(request(t, "/", [][2]string{{"x", c.value}}), 0)
		require.True(t, ok)
		require.Equal(t, xxhash.Sum64String(c.want), hash, "%q with %q for %q", c.value, c.substitute, c.regex)
	}
}

func TestNewHasherReportsEveryProblem(t *testing.T) {
	_, err := NewHasher(
		HashSource{},
		HashSource{Header: "x", Query: "y"},
		HashSource{Header: "x y", Rewrite: HashRewrite{"(", "x"}},
		HashSource{Header: "x", Rewrite: HashRewrite{"a", `\1`}},
		HashSource{Header: "x", Rewrite: HashRewrite{"a", `end\`}},
		HashSource{Header: "x", Rewrite: HashRewrite{"", `x`}},
		HashSource{Query: "q", Rewrite: HashRewrite{"a", "b"}, Forwarded: true},
		HashSource{Cookie: &HashCookie{MaxAge: -1, Path: "/;", Attributes: []CookieAttribute{{"", "x"}, {"A", "b\n"}}}},
		HashSource{Key: func(*http.Request) (string, bool) { return "", true }},
	)
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{
		"lb[0]", "lb[1]", "lb[2].Header", "lb[2].Rewrite.Regex", "lb[3].Rewrite.Substitute", "lb[4].Rewrite.Substitute",
		"lb[5].Rewrite.Regex", "lb[6].Rewrite", "lb[6].Forwarded",
		"lb[7].Cookie.Name", "lb[7].Cookie.MaxAge", "lb[7].Cookie.Path", "lb[7].Cookie.Attributes[0].Name", "lb[7].Cookie.Attributes[1].Value",
	}, fields)
}

func TestAKeyOfTheUsersIsHashedLikeAnyOther(t *testing.T) {
	h, err := NewHasher(HashSource{Key: func(r *http.Request) (string, bool) { return r.Method, r.Method != "PUT" }})
	require.NoError(t, err)
	r := request(t, "/", nil)
	hash, ok, _ := h.Hash(r, 0)
	require.True(t, ok)
	require.Equal(t, xxhash.Sum64String("GET"), hash)
	r.Method = "PUT"
	_, ok, _ = h.Hash(r, 0)
	require.False(t, ok)
}

func TestHashingARequestAllocatesNothing(t *testing.T) {
	h, err := NewHasher(
		HashSource{Header: "x-user"}, HashSource{Header: "x-many"}, HashSource{Query: "q"},
		HashSource{Cookie: &HashCookie{Name: "sid", Issue: true}}, HashSource{SourceIP: true, Forwarded: true},
	)
	require.NoError(t, err)
	r := request(t, "/?p=1&q=2", [][2]string{
		{"x-user", "ann"}, {"x-many", "a"}, {"x-many", "c"}, {"x-many", "b"}, {"Cookie", `a=b; sid="s"`}, {"X-Forwarded-For", "2001:db8::1"},
	})
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, ok, _ := h.Hash(r, 0); !ok {
			t.Error("no hash")
		}
	}))
}

func FuzzCookieValue(f *testing.F) {
	f.Add(`a=b; sid="x y"; sid=z`, "sid")
	f.Add(`sid = x;sid="`, "sid")
	f.Add(` ;=;;sid=`, "sid")
	f.Fuzz(func(t *testing.T, line, name string) {
		if !validToken(name) {
			return
		}
		// The slow view: the pieces between semicolons, the first whose text before
		// "=" is the name.
		want := ""
		for _, piece := range strings.Split(strings.Trim(line, " \t\n\r"), ";") {
			piece = strings.TrimLeft(piece, " ")
			if v, ok := strings.CutPrefix(piece, name+"="); ok {
				want = v
				if strings.HasPrefix(v, `"`) && strings.HasSuffix(v, `"`) && v != `"` {
					want = v[1 : len(v)-1]
				}
				break
			}
		}
		if got := cookieValue([]string{line}, name); got != want {
			t.Errorf("%q in %q: got %q, want %q", name, line, got, want)
		}
	})
}

func FuzzRewriteNeverPanics(f *testing.F) {
	f.Add(`(a)(b)?`, `\1$\2\\`, "abba")
	f.Add(`.*`, `\0\0`, "x")
	f.Fuzz(func(t *testing.T, regex, substitute, value string) {
		h, err := NewHasher(HashSource{Header: "x", Rewrite: HashRewrite{regex, substitute}})
		if err != nil {
			return
		}
		r := &http.Request{URL: &url.URL{}, Header: http.Header{"X": {value}}}
		if _, ok, _ := h.Hash(r, 0); !ok {
			t.Error("a header that is there has a hash")
		}
	})
}
