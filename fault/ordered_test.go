package fault

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

var (
	testKey  = []byte("a key of the continuous integration")
	otherKey = []byte("a key that nobody has any longer")
)

func signed(t testing.TB, key []byte, orders ...string) string {
	t.Helper()
	v, err := Sign(key, time.Now().Add(time.Minute), orders...)
	require.NoError(t, err)
	return v
}

func ordering(t testing.TB, v string) *http.Request {
	r := get(t)
	r.Header.Set("x-mesh-fault", v)
	return r
}

func TestG8AnOrderCountsOnlyWithASignature(t *testing.T) {
	i := must(t, Config{Ordered: Ordered{Name: "ratings", Share: mesh.Always, Keys: [][]byte{otherKey, testKey}}})
	good := signed(t, testKey, "ratings=abort:503")
	require.Equal(t, Decision{Status: 503}, i.Decide(ordering(t, good), 1))
	require.Equal(t, Decision{Status: 503}, i.Decide(ordering(t, good+"="), 1), "openssl pads base64")
	require.Equal(t, Decision{Status: 503}, i.Decide(ordering(t, signed(t, otherKey, "ratings=abort:503")), 1))

	orders, rest, _ := strings.Cut(good, " ")
	end, sig, _ := strings.Cut(rest, " ")
	for name, v := range map[string]string{
		"no signature":            orders,
		"an end and no signature": orders + " " + end,
		"a signature and no end":  orders + " " + sig,
		"an empty signature":      orders + " " + end + " sig:",
		"another order":           "ratings=abort:500 " + rest,
		"one more order":          "ratings=delay:1s " + good,
		"an order behind":         good + " ratings=delay:1s",
		"a later end":             orders + " exp:99999999999 " + sig,
		"a key that is unknown":   signed(t, []byte("sixteen bytes, or more"), "ratings=abort:503"),
		"too long":                good + strings.Repeat(" ", maxOrders),
		"nothing":                 "",
	} {
		require.Zero(t, i.Decide(ordering(t, v), 1), name)
	}
	require.Zero(t, must(t, Config{Abort: Abort{Share: 1, Status: 500}}).Decide(ordering(t, good), 1), "nobody listens")
}

func TestG8AnOrderEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := must(t, Config{Ordered: Ordered{Name: "ratings", Share: mesh.Always, Keys: [][]byte{testKey}}})
		r := ordering(t, signed(t, testKey, "ratings=abort:503")) // for a minute
		time.Sleep(59 * time.Second)
		require.Equal(t, Decision{Status: 503}, i.Decide(r, 1))
		time.Sleep(time.Second)
		require.Zero(t, i.Decide(r, 1))
	})
}

func TestG8KnownCallersNeedNoSignature(t *testing.T) {
	i := must(t, Config{Ordered: Ordered{
		Name: "ratings", Share: mesh.Always,
		Allow: func(r *http.Request) bool { return r.Host == "known" }, // an identity in real life
	}})
	r := ordering(t, "ratings=abort:503")
	require.Zero(t, i.Decide(r, 1))
	r.Host = "known"
	require.Equal(t, Decision{Status: 503}, i.Decide(r, 1))
}

func TestG8OrdersAreCapped(t *testing.T) {
	draws := rand.New(rand.NewPCG(1, 2))
	const requests = 20_000
	for _, c := range []struct {
		order string
		share mesh.Fraction
		want  float64
	}{
		{"ratings=abort:503", mesh.Percent(10), 0.1},
		{"ratings=abort:503;p=5", mesh.Percent(10), 0.05},
		{"ratings=abort:503;p=50", mesh.Percent(10), 0.1},
		{"ratings=delay:1s;p=0.5", mesh.Always, 0.005},
		{"ratings=reset;p=50", mesh.Always, 0.5},
	} {
		i := must(t, Config{Ordered: Ordered{Name: "ratings", Share: c.share, Allow: func(*http.Request) bool { return true }}})
		r, hits := ordering(t, c.order), 0
		for range requests {
			if i.Decide(r, draws.Uint64()) != (Decision{}) {
				hits++
			}
		}
		require.InDelta(t, c.want*requests, hits, 5*math.Sqrt(requests*c.want*(1-c.want)), c.order)
	}

	all := Ordered{Name: "ratings", Share: mesh.Always, Keys: [][]byte{testKey}}
	r := ordering(t, signed(t, testKey, "ratings=delay:1h"))
	require.Equal(t, Decision{Delay: 15 * time.Second}, must(t, Config{Ordered: all}).Decide(r, 1))
	all.MaxDelay = time.Minute
	require.Equal(t, Decision{Delay: time.Minute}, must(t, Config{Ordered: all}).Decide(r, 1))
}

func TestG8NoMoreOrdersThanMaxActiveAreObeyedAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := must(t, Config{MaxActive: 2, Ordered: Ordered{Name: "ratings", Share: mesh.Always, Keys: [][]byte{testKey}}})
		v := signed(t, testKey, "ratings=delay:1s", "ratings=abort:503")
		codes := make(chan int, 5)
		for range 5 {
			go func() {
				rec := httptest.NewRecorder()
				i.Handler(write("ok")).ServeHTTP(rec, ordering(t, v))
				codes <- rec.Code
			}()
		}
		got := map[int]int{}
		for range 5 {
			got[<-codes]++
		}
		require.Equal(t, map[int]int{200: 3, 503: 2}, got)
		require.EqualValues(t, 3, i.Stats().Overflows)
	})
}

// One request goes through five real services, which send the header on. Each
// obeys what is said to it, and nothing else.
func TestG8EachOfFiveServicesObeysItsOwnName(t *testing.T) {
	next := "" // the address of the service behind
	for n := 5; n >= 1; n-- {
		behind := next
		i := must(t, Config{Ordered: Ordered{Name: fmt.Sprintf("s%d", n), Share: mesh.Always, Keys: [][]byte{testKey}}})
		srv := httptest.NewServer(i.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "s%d ", n)
			if behind == "" {
				return
			}
			out, err := http.NewRequestWithContext(r.Context(), "GET", behind, nil)
			require.NoError(t, err)
			out.Header[OrderHeader] = r.Header[OrderHeader]
			res, err := http.DefaultClient.Do(out)
			if err != nil {
				io.WriteString(w, "reset")
				return
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK {
				fmt.Fprintf(w, "%d ", res.StatusCode)
			}
			io.Copy(w, res.Body)
		})))
		defer srv.Close()
		next = srv.URL
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	for _, c := range []struct {
		orders []string
		want   string
	}{
		{nil, "s1 s2 s3 s4 s5 "},
		{[]string{"s4=abort:503"}, "s1 s2 s3 503 fault filter abort"},
		{[]string{"s2=abort:404;p=100", "s5=abort:500"}, "s1 404 fault filter abort"},
		{[]string{"s3=reset"}, "s1 s2 reset"},
		{[]string{"s5=abort:500;p=0", "s6=abort:503", "s=abort:503"}, "s1 s2 s3 s4 s5 "},
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", next, nil)
		require.NoError(t, err)
		r.Header.Set(OrderHeader, signed(t, testKey, c.orders...))
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		require.NoError(t, err)
		require.Equal(t, c.want, string(body), "%v", c.orders)
	}
}

func TestAnOrderComesInPlaceOfAFaultThatIsDrawn(t *testing.T) {
	i := must(t, Config{
		Delay:   Delay{Share: mesh.Always, For: time.Second},
		Abort:   Abort{Share: mesh.Always, GRPC: 8},
		Ordered: Ordered{Name: "ratings", Share: mesh.Always, Keys: [][]byte{testKey}},
	})
	require.Equal(t, Decision{Delay: time.Second, Status: 429, GRPC: 8}, i.Decide(get(t), 1))
	require.Equal(t, Decision{Delay: time.Second, Status: 503}, i.Decide(ordering(t, signed(t, testKey, "ratings=abort:503")), 1))
	require.Equal(t, Decision{Delay: time.Millisecond, Reset: true},
		i.Decide(ordering(t, signed(t, testKey, "ratings=delay:1ms", "ratings=reset")), 1))
}

func TestARequestWithoutOrdersCostsNothing(t *testing.T) {
	i := must(t, Config{Ordered: Ordered{Name: "ratings", Share: mesh.Always, Keys: [][]byte{testKey}}})
	r, other := get(t), ordering(t, signed(t, testKey, "reviews=abort:503"))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		i.Decide(r, 1)
		i.Decide(other, 1)
	}))
}

func TestWhatIsWrongWithOrdersIsTold(t *testing.T) {
	for _, bad := range []string{"", "ratings", "=abort:503", "ratings=abort", "ratings=abort:99", "ratings=abort:600", "ratings=abort:x",
		"ratings=delay:1", "ratings=delay:-1s", "ratings=delay:0s", "ratings=reset:1", "ratings=drop", "ratings=reset;p=101", "ratings=reset;p=x",
		"ratings=reset;p=NaN", "ratings=reset;q=1", "ratings=reset reviews=reset", "exp:1=reset", " ratings=reset"} {
		_, err := Sign(testKey, time.Now(), "ratings=reset", bad)
		require.ErrorContains(t, err, "fault.Orders[1]: is no order such as", bad)
	}
	_, err := Sign([]byte("short"), time.Now(), strings.Repeat("x", maxOrders)+"=reset")
	require.ErrorContains(t, err, "fault.Key: has 5 bytes; a key must have 16 or more")
	require.ErrorContains(t, err, "fault.Orders: are longer than 4096 bytes")

	for want, o := range map[string]Ordered{
		"fault.Ordered.Share: is no share":                               {Name: "a", Share: mesh.Percent(101), Keys: [][]byte{testKey}},
		"fault.Ordered.MaxDelay: must not be negative":                   {MaxDelay: -1},
		"fault.Ordered.Name: must be without spaces":                     {Name: "a b", Share: 1, Keys: [][]byte{testKey}},
		"fault.Ordered.Name: is missing":                                 {Share: 1, Keys: [][]byte{testKey}},
		"fault.Ordered.Keys[1]: has 1 bytes; a key must have 16 or more": {Name: "a", Share: 1, Keys: [][]byte{testKey, {1}}},
		"fault.Ordered.Keys: are missing, as is Allow":                   {Name: "a", Share: 1},
		"fault.Ordered.Share: is missing: no order would be obeyed":      {Name: "a", Keys: [][]byte{testKey}},
	} {
		_, err := New(Config{Ordered: o})
		require.ErrorContains(t, err, want)
	}
}

func FuzzOrdersNeverBreakTheCaps(f *testing.F) {
	f.Add("ratings=abort:503;p=50 ratings=delay:2h exp:1 sig:x", uint64(1))
	f.Add("ratings=reset exp:9223372036854775808", uint64(2))
	f.Add("ratings==;p=1e-9 ratings=abort:+200 ratings=delay:1ns", uint64(3))
	keys := must(f, Config{Ordered: Ordered{Name: "ratings", Share: mesh.Always, Keys: [][]byte{testKey}}})
	known := must(f, Config{Ordered: Ordered{Name: "ratings", Share: mesh.Percent(50), MaxDelay: time.Minute, Allow: func(*http.Request) bool { return true }}})
	f.Fuzz(func(t *testing.T, v string, draw uint64) {
		r := get(t)
		r.Header[OrderHeader] = []string{v}
		if keys.Decide(r, draw) != (Decision{}) {
			t.Fatal("obeyed without a signature")
		}
		d := known.Decide(r, draw)
		if d.Delay < 0 || d.Delay > time.Minute || d.Status != 0 && (d.Status < 200 || d.Status > 599) || d.Reset && d.Status != 0 {
			t.Fatalf("%+v", d)
		}
	})
}
