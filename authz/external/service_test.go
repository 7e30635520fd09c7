package external_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/authz/external"
	"github.com/sidecarless/mesh/match"
)

// A seen request is what a server got.
type seen struct {
	line   string // method, target and host
	header http.Header
	body   string
}

func seenOf(r *http.Request) *seen {
	body, _ := io.ReadAll(r.Body)
	return &seen{r.Method + " " + r.RequestURI + " " + r.Host, r.Header, string(body)}
}

// play sends a request through an authorizer that asks about all of them. It gives
// the answer, and what the service and the application got.
func play(t *testing.T, c external.Config, r *http.Request, service http.HandlerFunc) (answer *httptest.ResponseRecorder, asked, served *seen) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = seenOf(r)
		service(w, r)
	}))
	defer server.Close()
	transport := &http.Transport{DisableKeepAlives: true}
	c.URL, c.Transport = server.URL+c.URL, transport
	s, err := external.New(c)
	require.NoError(t, err)
	a, err := authz.New(authz.Config{
		Ask:      func(r *http.Request, _ string) (authz.Answer, error) { return s.Ask(r) },
		Policies: []authz.Policy{{Name: "ask", Action: authz.Custom, Rules: []authz.Rule{{}}}},
	})
	require.NoError(t, err)
	answer = httptest.NewRecorder()
	a.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served = seenOf(r)
		w.Header().Set("X-App", "yes")
		fmt.Fprint(w, "welcome")
	})).ServeHTTP(answer, r)
	return answer, asked, served
}

func request(method, target, body string, header ...string) *http.Request {
	r := httptest.NewRequest(method, "http://shop.example"+target, strings.NewReader(body))
	r.RequestURI = target
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func yes(http.ResponseWriter, *http.Request) {}

func names(values ...string) (all []match.Value) {
	for _, v := range values {
		all = append(all, match.Exact(v))
	}
	return all
}

// The oracle is the documentation of Istio's extension providers and of Envoy's
// filter ext_authz.
func TestWhatTheServiceIsTold(t *testing.T) {
	c := external.Config{
		URL: "/check", RequestHeaders: append(names("x-tenant", "Cookie"), match.Prefix("x-ctx-")),
		AddHeaders: map[string]string{"x-by": "mesh", "x-ctx-b": "set"},
	}
	r := request("PUT", "/a/../cart%2F1?size=3&a=%20", "body", "Authorization", "Bearer t", "X-Tenant", "1", "X-Tenant", "2", "X-Ctx-A", "a", "X-Ctx-B", "forged",
		"X-Other", "o", "Cookie", "a=b", "Te", "trailers")
	answer, asked, served := play(t, c, r, yes)
	require.Equal(t, 200, answer.Code)
	require.Equal(t, "PUT /check/cart%2F1?size=3&a=%20 shop.example", asked.line)
	require.Equal(t, http.Header{
		"Authorization": {"Bearer t"}, "X-Tenant": {"1", "2"}, "X-Ctx-A": {"a"}, "X-Ctx-B": {"set"}, "X-By": {"mesh"}, "Cookie": {"a=b"},
		"Accept-Encoding": {"gzip"}, "Connection": {"close"}, "Content-Length": {"0"},
	}, asked.header)
	require.Empty(t, asked.body)
	require.Equal(t, "PUT /cart%2F1?size=3&a=%20 shop.example", served.line)
	require.Equal(t, "body", served.body)
	require.Equal(t, "forged", served.header.Get("X-Ctx-B"), "what is added is for the service alone")
}

func TestAnAllowedRequestGoesOnWithHeadersOfTheService(t *testing.T) {
	c := external.Config{UpstreamHeaders: append(names("x-user"), match.Suffix("-claims")), AllowHeaders: names("set-cookie", "x-app")}
	r := request("GET", "/", "", "X-User", "forged", "X-Other", "mine", "X-Secret", "s", "X-Internal", "i")
	answer, _, served := play(t, c, r, func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X-User"] = []string{"first", "ann"}
		w.Header().Set("X-Jwt-Claims", "c")
		w.Header().Set("X-Other", "theirs")
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("X-App", "too")
		w.Header().Set("X-Envoy-Auth-Headers-To-Remove", "x-secret, X-Internal")
		fmt.Fprint(w, "not for the caller")
	})
	require.Equal(t, http.Header{"X-User": {"ann"}, "X-Jwt-Claims": {"c"}, "X-Other": {"mine"}}, served.header)
	require.Equal(t, []string{"yes", "too"}, answer.Header()["X-App"])
	require.Equal(t, "a=b", answer.Header().Get("Set-Cookie"))
	require.Equal(t, "welcome", answer.Body.String())
	require.Equal(t, "forged", r.Header.Get("X-User"), "the caller's request stays as it was")
}

func TestARefusalIsTheServicesAnswer(t *testing.T) {
	say := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://login.example")
		w.Header().Set("Www-Authenticate", "Basic")
		w.Header().Set("X-Reason", "late")
		w.Header().Set("X-Trace", "1")
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Envoy-Auth-Headers-To-Remove", "x")
		w.WriteHeader(http.StatusFound)
		fmt.Fprint(w, `{"why":"late"}`)
	}
	answer, _, served := play(t, external.Config{}, request("GET", "/", ""), say)
	require.Nil(t, served)
	require.Equal(t, `302 {"why":"late"}`, fmt.Sprint(answer.Code, " ", answer.Body))
	answer.Header().Del("Date")
	require.Equal(t, http.Header{
		"Location": {"https://login.example"}, "Www-Authenticate": {"Basic"}, "X-Reason": {"late"}, "X-Trace": {"1"},
		"Content-Type": {"application/json"}, "Content-Length": {"14"},
	}, answer.Header())

	answer, _, _ = play(t, external.Config{DenyHeaders: names("X-Reason")}, request("GET", "/", ""), say)
	require.Equal(t, http.Header{
		"Location": {"https://login.example"}, "Www-Authenticate": {"Basic"}, "X-Reason": {"late"}, "Content-Type": {"text/plain"}, "Content-Length": {"14"},
	}, answer.Header())

	answer, _, _ = play(t, external.Config{}, request("GET", "/", ""), func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNoContent)
	})
	require.Equal(t, 204, answer.Code)
	require.NotContains(t, answer.Header(), "Content-Type", "of nothing")

	for _, status := range []int{201, 204, 301, 400, 401, 403, 404, 429, 499} {
		answer, _, served = play(t, external.Config{}, request("GET", "/", ""), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		require.Equal(t, status, answer.Code, "only 200 lets a request through")
		require.Nil(t, served)
	}
}

func TestAFailureOfTheService(t *testing.T) {
	broken := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, "secrets of the service")
	}
	gone := func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }
	slow := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, service := range map[string]http.HandlerFunc{"answers 500": broken, "is gone": gone, "is slow": slow} {
		t.Run(name, func(t *testing.T) {
			c := external.Config{Timeout: 5 * time.Second}
			if name == "is slow" {
				c.Timeout = 50 * time.Millisecond
			}
			answer, _, served := play(t, c, request("GET", "/", ""), service)
			require.Equal(t, "403 ", fmt.Sprint(answer.Code, " ", answer.Body))
			require.Nil(t, served)
			c.StatusOnError = http.StatusServiceUnavailable
			answer, _, _ = play(t, c, request("GET", "/", ""), service)
			require.Equal(t, 503, answer.Code)
			c.FailOpen, c.MaxBody = true, 10
			answer, _, served = play(t, c, request("POST", "/", "body"), service)
			require.Equal(t, 200, answer.Code)
			require.Equal(t, "body", served.body)
		})
	}
}

func TestACallerWhoGoesAwayIsNotLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := external.New(external.Config{URL: "http://authz", FailOpen: true, Transport: waiting{}})
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a, err := s.Ask(request("GET", "/", "").WithContext(ctx))
		require.False(t, a.Allowed)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var said *mesh.Error
		require.ErrorAs(t, err, &said)
		require.Equal(t, "UAEX 403 ext_authz_error", fmt.Sprint(said.Flag, " ", said.Status, " ", said.Details))

		start := time.Now()
		a, err = s.Ask(request("GET", "/", ""))
		require.NoError(t, err)
		require.True(t, a.Allowed)
		require.Equal(t, 10*time.Minute, time.Since(start))
	})
}

// waiting never answers.
type waiting struct{}

func (waiting) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestTheBodyIsToldUpToItsBound(t *testing.T) {
	for _, c := range []struct {
		name          string
		body          string
		chunked       bool
		partial       bool
		told, cut     string
		status        int
		upgrade, none bool
	}{
		{name: "short", body: "1234", told: "1234", cut: "false", status: 200},
		{name: "just as long", body: "12345", told: "12345", cut: "false", status: 200},
		{name: "just as long, of unknown length", body: "12345", chunked: true, told: "12345", cut: "false", status: 200},
		{name: "too long", body: "123456", status: 413},
		{name: "too long, of unknown length", body: "123456", chunked: true, status: 413},
		{name: "too long, and cut off", body: "123456", partial: true, told: "12345", cut: "true", status: 200},
		{name: "too long, of unknown length, and cut off", body: "123456", chunked: true, partial: true, told: "12345", cut: "true", status: 200},
		{name: "short, and might be cut off", body: "1234", partial: true, told: "1234", cut: "false", status: 200},
		{name: "of an upgrade", body: "123456", upgrade: true, status: 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request("POST", "/", c.body)
			if c.chunked {
				r.ContentLength = -1
			}
			if c.upgrade {
				r.Header.Set("Upgrade", "websocket")
			}
			answer, asked, served := play(t, external.Config{MaxBody: 5, PartialBody: c.partial}, r, yes)
			require.Equal(t, c.status, answer.Code)
			if c.status == 413 {
				require.Equal(t, "Payload Too Large", answer.Body.String())
				require.Nil(t, asked)
				return
			}
			require.Equal(t, c.told, asked.body)
			require.Equal(t, c.cut, asked.header.Get("X-Envoy-Auth-Partial-Body"))
			require.Equal(t, c.body, served.body, "the application gets all of it")
		})
	}
}

func TestAllProblemsAreReportedWithTheirFields(t *testing.T) {
	_, err := external.New(external.Config{
		URL: "authz:80", Timeout: -1, StatusOnError: 99, MaxBody: -1, AddHeaders: map[string]string{":path": "/"},
		RequestHeaders: []match.Value{match.Regex("(")}, DenyHeaders: []match.Value{match.Regex("(")},
	})
	var fields []string
	for p := range mesh.Problems(err) {
		fields = append(fields, p.Field)
	}
	require.Equal(t, []string{
		"external.URL", "external.Timeout", "external.StatusOnError", "external.MaxBody", `external.AddHeaders[":path"]`,
		"external.RequestHeaders[0]", "external.DenyHeaders[0]",
	}, fields)
	_, err = external.New(external.Config{URL: "http://authz/?a"})
	require.ErrorContains(t, err, "must end with a path")
}
