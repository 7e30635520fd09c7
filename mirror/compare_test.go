package mirror

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/meshtest"
)

func logger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestAnswersAreHeldAgainstEachOther(t *testing.T) {
	asJSON := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	reply := func(status int, body string) meshtest.Reply {
		return meshtest.Reply{Status: status, Body: body, Header: asJSON}
	}
	plain := func(body string) meshtest.Reply { return meshtest.Reply{Body: body} }
	all := Compare{Headers: []string{"x-version"}, Body: true, Ignore: []string{"time"}, MaxBody: 64}
	long := strings.Repeat("x", 65)
	for name, tt := range map[string]struct {
		compare Compare
		a, b    meshtest.Reply
		differ  string // what is logged; empty for equal answers
		unclear bool
	}{
		"equal":                         {all, reply(200, `{"a":1}`), reply(200, `{"a":1}`), "", false},
		"another status":                {all, reply(200, ""), reply(500, ""), "status", false},
		"another order of keys":         {all, reply(200, `{"a":1,"b":[{"c":2,"d":3}]}`), reply(200, `{ "b":[{"d":3,"c":2}], "a":1 }`), "", false},
		"another order of elements":     {all, reply(200, `[1,2]`), reply(200, `[2,1]`), "body", false},
		"another value":                 {all, reply(200, `{"a":1}`), reply(200, `{"a":2}`), "body", false},
		"a number too long for a float": {all, reply(200, `{"a":9007199254740993}`), reply(200, `{"a":9007199254740992}`), "body", false},
		"an ignored field":              {all, reply(200, `{"a":1,"time":1}`), reply(200, `{"a":1,"time":2}`), "", false},
		"an ignored field further down": {all, reply(200, `[{"a":{"time":1}}]`), reply(200, `[{"a":{}}]`), "", false},
		"bytes that are no JSON":        {all, plain("a"), plain("b"), "body", false},
		"JSON only by its name":         {all, reply(200, "{"), reply(200, "{{"), "body", false},
		"more than one document":        {all, reply(200, "1 1"), reply(200, "1  1"), "body", false},
		"JSON that does not say so":     {all, plain(`{"a": 1}`), plain(`{"a":1}`), "body", false},
		"bodies that do not count":      {Compare{}, plain("a"), plain("b"), "", false},
		"a header":                      {all, meshtest.Reply{Header: http.Header{"X-Version": {"1"}}}, meshtest.Reply{Header: http.Header{"X-Version": {"2"}}}, "X-Version", false},
		"a header that does not count":  {all, meshtest.Reply{Header: http.Header{"X-Other": {"1"}}}, meshtest.Reply{}, "", false},
		"an answer that is too long":    {all, plain(long), plain("x"), "", true},
		"a copy's that is too long":     {all, plain("x"), plain(long), "", true},
		"too long, but told apart":      {all, plain(long), meshtest.Reply{Status: 500, Body: long}, "status", false},
		"a copy that fails":             {all, plain(""), meshtest.Reply{Err: io.ErrUnexpectedEOF}, "", true},
		"everything at once":            {all, meshtest.Reply{Status: 200, Body: "a", Header: http.Header{"X-Version": {"1"}}}, meshtest.Reply{Status: 201, Body: "b"}, "status, X-Version, body", false},
	} {
		t.Run(name, func(t *testing.T) {
			want := Stats{Sent: 1, Compared: 1}
			switch {
			case tt.unclear:
				want = Stats{Sent: 1, Unclear: 1}
			case tt.differ != "":
				want.Different = 1
			}
			if tt.b.Err != nil {
				want.Failed = 1
			}
			var log bytes.Buffer
			tt.compare.Sample = mesh.Always
			config := Config{To: meshtest.NewUpstream(tt.b), Share: mesh.Always, Compare: &tt.compare, Logger: logger(&log)}
			check := func(m *Mirror) {
				t.Helper()
				require.Equal(t, want, settled(t, m))
				if tt.differ == "" {
					require.NotContains(t, log.String(), "differ")
				} else {
					require.Contains(t, log.String(), "differ="+quoted(tt.differ))
				}
				log.Reset()
			}

			client := must(t, config)
			send(t, client.Transport(meshtest.NewUpstream(tt.a)), request(t, "GET", "http://svc.example/", ""))
			check(client)

			config.To = meshtest.NewUpstream(tt.b)
			server := must(t, config)
			server.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for name, values := range tt.a.Header {
					w.Header()[name] = values
				}
				if tt.a.Status != 0 {
					w.WriteHeader(tt.a.Status)
				}
				io.WriteString(w, tt.a.Body)
			})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://svc.example/", nil))
			check(server)
		})
	}
}

func quoted(s string) string {
	if strings.Contains(s, " ") {
		return `"` + s + `"`
	}
	return s
}

func TestAnAnswerThatIsNotReadIsNotCompared(t *testing.T) {
	m := must(t, Config{To: meshtest.NewUpstream(meshtest.Reply{Body: "text"}), Share: mesh.Always, Compare: &Compare{Body: true}})
	res, err := m.Transport(meshtest.NewUpstream(meshtest.Reply{Body: "text"})).RoundTrip(request(t, "GET", "http://svc.example/", ""))
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, Stats{Sent: 1, Unclear: 1}, settled(t, m))
}
