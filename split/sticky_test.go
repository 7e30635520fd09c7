package split

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/match"
)

// answers is a client's branch that answers with its name.
type answers string

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Request: r, Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

func (a answers) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, string(a))
}

func clientSplit(t testing.TB, weights ...uint32) *Splitter[http.RoundTripper] {
	t.Helper()
	var branches []ClientBranch
	for i, w := range weights {
		name := "v" + strconv.Itoa(i+1)
		branches = append(branches, ClientBranch{Name: name, Weight: w, Value: answers(name)})
	}
	s, err := New(branches...)
	require.NoError(t, err)
	return s
}

func serverSplit(t testing.TB, weights ...uint32) *Splitter[http.Handler] {
	t.Helper()
	var branches []ServerBranch
	for i, w := range weights {
		name := "v" + strconv.Itoa(i+1)
		branches = append(branches, ServerBranch{Name: name, Weight: w, Value: answers(name)})
	}
	s, err := New(branches...)
	require.NoError(t, err)
	return s
}

func sticky(t testing.TB, c StickyConfig) *Sticky {
	t.Helper()
	k, err := NewSticky(c)
	require.NoError(t, err)
	return k
}

// ask sends a request with headers and returns the branch and the answer.
func ask(t testing.TB, rt http.RoundTripper, header ...string) (string, *http.Response) {
	t.Helper()
	r := httptest.NewRequest("GET", "http://reviews/", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := rt.RoundTrip(r)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body), res
}

func TestARequestWithAKeyStays(t *testing.T) {
	s := clientSplit(t, 50, 50)
	rt := sticky(t, StickyConfig{Key: match.HeaderKey("X-User")}).Transport(s)
	seen := map[string]bool{}
	for i := range 50 {
		user := strconv.Itoa(i)
		want := s.PickKey("", user).Name
		seen[want] = true
		for range 5 {
			got, _ := ask(t, rt, "X-User", user)
			require.Equal(t, want, got)
		}
	}
	require.Len(t, seen, 2)
}

func TestARequestWithoutAKeyIsRandom(t *testing.T) {
	for name, rt := range map[string]http.RoundTripper{
		"not sticky":         Transport(clientSplit(t, 50, 50)),
		"sticky, no cookie":  sticky(t, StickyConfig{Key: match.HeaderKey("X-User")}).Transport(clientSplit(t, 50, 50)),
		"hash, none present": sticky(t, StickyConfig{Hash: func(*http.Request) (uint64, bool) { return 0, false }}).Transport(clientSplit(t, 50, 50)),
	} {
		t.Run(name, func(t *testing.T) {
			got := map[string]float64{}
			for range 2000 {
				b, _ := ask(t, rt)
				got[b]++
			}
			requireShares(t, []uint32{50, 50}, []float64{got["v1"], got["v2"]}, 2000)
		})
	}
}

func TestAHashIsTheDraw(t *testing.T) {
	s := clientSplit(t, 25, 75)
	rt := sticky(t, StickyConfig{Hash: func(r *http.Request) (uint64, bool) {
		return xxhash.Sum64String(r.Header.Get("X-User")), true
	}}).Transport(s)
	for i := range 100 {
		user := strconv.Itoa(i)
		got, _ := ask(t, rt, "X-User", user)
		want := "v2"
		if xxhash.Sum64String(user)%100 < 25 {
			want = "v1"
		}
		require.Equal(t, want, got)
	}
}

func TestACookieIsIssuedOnceAndKeepsTheUser(t *testing.T) {
	k := sticky(t, StickyConfig{Name: "reviews", Cookie: &http.Cookie{
		Name: "arm", Path: "/shop", MaxAge: 3600, HttpOnly: true, Secure: true, SameSite: http.SameSiteLaxMode,
	}})
	for range 20 {
		s := clientSplit(t, 50, 50)
		rt := k.Transport(s)
		first, res := ask(t, rt)
		cookies := res.Cookies()
		require.Len(t, cookies, 1)
		c := cookies[0]
		require.Regexp(t, `^[0-9a-f]{16}$`, c.Value)
		require.Equal(t, "arm="+c.Value+"; Path=/shop; Max-Age=3600; HttpOnly; Secure; SameSite=Lax", res.Header.Get("Set-Cookie"))
		for range 10 {
			again, res := ask(t, rt, "Cookie", "arm="+c.Value)
			require.Equal(t, first, again)
			require.Empty(t, res.Cookies(), "the user has a cookie")
		}
	}
}

func TestAKeyGoesBeforeTheCookie(t *testing.T) {
	s := clientSplit(t, 50, 50)
	rt := sticky(t, StickyConfig{Key: match.HeaderKey("X-User"), Cookie: &http.Cookie{Name: "arm"}}).Transport(s)
	for i := range 50 {
		user := strconv.Itoa(i)
		got, res := ask(t, rt, "X-User", user, "Cookie", "arm=0")
		require.Equal(t, s.PickKey("", user).Name, got)
		require.Empty(t, res.Cookies())
	}
	_, res := ask(t, rt)
	require.Len(t, res.Cookies(), 1)
}

func TestAPinnedUserStaysOnABranchWithoutWeight(t *testing.T) {
	s := clientSplit(t, 0, 100)
	rt := sticky(t, StickyConfig{Name: "reviews", Cookie: &http.Cookie{Name: "arm"}, Pin: true}).Transport(s)
	got, res := ask(t, rt)
	require.Equal(t, "v2", got)
	cookie := "arm=" + res.Cookies()[0].Value

	require.NoError(t, s.Update(
		ClientBranch{Name: "v1", Weight: 100, Value: answers("v1")},
		ClientBranch{Name: "v2", Weight: 0, Value: answers("v2")},
	))
	got, res = ask(t, rt, "Cookie", cookie)
	require.Equal(t, "v2", got, "a pinned user is served by a branch that takes nobody new")
	require.Empty(t, res.Cookies())
	got, _ = ask(t, rt)
	require.Equal(t, "v1", got)

	require.NoError(t, s.Update(ClientBranch{Name: "v1", Weight: 1, Value: answers("v1")}))
	got, res = ask(t, rt, "Cookie", cookie)
	require.Equal(t, "v1", got, "the branch is gone")
	require.Len(t, res.Cookies(), 1, "and the user is pinned anew")
}

func TestABrowserKeepsItsServerBranch(t *testing.T) {
	k := sticky(t, StickyConfig{Cookie: &http.Cookie{Name: "arm", Path: "/"}})
	server := httptest.NewServer(k.Handler(serverSplit(t, 50, 50)))
	defer server.Close()
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	for range 10 {
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		client := &http.Client{Jar: jar, Transport: server.Client().Transport}
		get := func() string {
			res, err := client.Get(server.URL)
			require.NoError(t, err)
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			return string(body)
		}
		first := get()
		require.Len(t, jar.Cookies(at), 1)
		for range 5 {
			require.Equal(t, first, get())
		}
	}
}

func TestHandlerServesByKey(t *testing.T) {
	s := serverSplit(t, 50, 50)
	h := sticky(t, StickyConfig{Key: match.HeaderKey("X-User")}).Handler(s)
	for i := range 50 {
		r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Header.Set("X-User", strconv.Itoa(i))
		h.ServeHTTP(w, r)
		require.Equal(t, s.PickKey("", strconv.Itoa(i)).Name, w.Body.String())
	}
}

func TestTheBranchIsNotedInTheRecord(t *testing.T) {
	k := sticky(t, StickyConfig{Key: match.HeaderKey("X-User")})
	keyed := http.Header{"X-User": {"jason"}}
	for name, c := range map[string]struct {
		client http.RoundTripper
		server http.Handler
		header http.Header
		drawn  bool
	}{
		"random":             {Transport(clientSplit(t, 0, 3)), Handler(serverSplit(t, 0, 3)), keyed, true},
		"sticky":             {k.Transport(clientSplit(t, 0, 3)), k.Handler(serverSplit(t, 0, 3)), keyed, false},
		"sticky without key": {k.Transport(clientSplit(t, 0, 3)), k.Handler(serverSplit(t, 0, 3)), http.Header{}, true},
	} {
		f, r := flow.Ensure(httptest.NewRequest("GET", "http://reviews/", nil))
		r.Header = c.header
		_, err := c.client.RoundTrip(r)
		require.NoError(t, err)
		served, r := flow.EnsureServed(httptest.NewRequest("GET", "/", nil))
		r.Header = c.header
		c.server.ServeHTTP(httptest.NewRecorder(), r)
		for _, f := range []*flow.Flow{f, served} {
			require.Equal(t, "v2", f.Branch, name)
			require.Equal(t, c.drawn, f.DrawnOf == 3, name)
			require.Less(t, f.Drawn, uint32(3), name)
		}
	}
}

func TestStickyProblems(t *testing.T) {
	key := match.HeaderKey("X-User")
	hash := func(*http.Request) (uint64, bool) { return 0, true }
	for _, c := range []struct {
		name string
		c    StickyConfig
		want []string
	}{
		{"nothing", StickyConfig{}, []string{"split.Key: is needed, or else Hash or Cookie"}},
		{"key and hash", StickyConfig{Key: key, Hash: hash}, []string{"split.Hash: cannot be used together with Key"}},
		{"pin without cookie", StickyConfig{Key: key, Pin: true}, []string{"split.Pin: needs a Cookie"}},
		{"cookie without a name", StickyConfig{Cookie: &http.Cookie{}}, []string{`split.Cookie: cannot be sent: http: invalid Cookie.Name`}},
		{"several", StickyConfig{Pin: true}, []string{"split.Key: is needed, or else Hash or Cookie", "split.Pin: needs a Cookie"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewSticky(c.c)
			var got []string
			for p := range mesh.Problems(err) {
				got = append(got, p.Error())
			}
			require.Equal(t, c.want, got)
		})
	}
}

// still is a branch that costs nothing.
type still struct{ res *http.Response }

func (s still) RoundTrip(*http.Request) (*http.Response, error) { return s.res, nil }

func TestASplitAllocatesNothingOfItsOwn(t *testing.T) {
	end := still{&http.Response{StatusCode: 200, Body: http.NoBody}}
	s, err := New(ClientBranch{Name: "a", Weight: 9, Value: end}, ClientBranch{Name: "b", Weight: 1, Value: end})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	r := httptest.NewRequest("GET", "http://reviews/", nil).WithContext(ctx)
	r.Header.Set("X-User", "u1")
	key := match.HeaderKey("X-User")
	for name, rt := range map[string]http.RoundTripper{
		"random": Transport(s),
		"sticky": sticky(t, StickyConfig{Name: "reviews", Key: key}).Transport(s),
	} {
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = rt.RoundTrip(r) }), name)
	}
}
