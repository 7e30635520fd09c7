package access_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/internal/corpus"
)

// istioJSON is the format of Istio's JSON log.
const istioJSON = `{
	"start_time": "%START_TIME%", "method": "%REQ(:METHOD)%", "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "protocol": "%PROTOCOL%",
	"response_code": "%RESPONSE_CODE%", "response_flags": "%RESPONSE_FLAGS%", "response_code_details": "%RESPONSE_CODE_DETAILS%",
	"connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
	"upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
	"bytes_received": "%BYTES_RECEIVED%", "bytes_sent": "%BYTES_SENT%", "duration": "%DURATION%",
	"upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%", "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
	"user_agent": "%REQ(USER-AGENT)%", "request_id": "%REQ(X-REQUEST-ID)%", "authority": "%REQ(:AUTHORITY)%",
	"upstream_host": "%UPSTREAM_HOST%", "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
	"upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%", "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
	"downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%", "requested_server_name": "%REQUESTED_SERVER_NAME%", "route_name": "%ROUTE_NAME%"}`

// recordFrom is the Record of a recorded line: what would have been seen.
func recordFrom(t *testing.T, line map[string]any) access.Record {
	t.Helper()
	text := func(key string) string {
		s, _ := line[key].(string)
		return s
	}
	integer := func(key string) int64 {
		f, _ := line[key].(float64)
		return int64(f)
	}
	start, err := time.Parse(time.RFC3339, text("start_time"))
	require.NoError(t, err)
	local, err := net.ResolveTCPAddr("tcp", text("downstream_local_address"))
	require.NoError(t, err)
	r := &http.Request{RemoteAddr: text("downstream_remote_address"), Header: http.Header{}, URL: &url.URL{}}
	for name, key := range map[string]string{"X-Forwarded-For": "x_forwarded_for", "User-Agent": "user_agent", "X-Request-Id": "request_id"} {
		if v := text(key); v != "" {
			r.Header.Set(name, v)
		}
	}
	rec := access.Record{
		Start: start, Duration: time.Duration(integer("duration")) * time.Millisecond,
		Method: text("method"), Host: text("authority"), Path: text("path"), Protocol: text("protocol"),
		Route: text("route_name"), Upstream: text("upstream_cluster"), Endpoint: text("upstream_host"),
		Status: int(integer("response_code")), Flags: mesh.Flag(strings.Trim(text("response_flags"), "-")), Details: text("response_code_details"),
		Received: integer("bytes_received"), Sent: integer("bytes_sent"),
		Request: r.WithContext(contextWith(t, local)), Header: http.Header{},
	}
	if v := text("upstream_service_time"); v != "" {
		rec.Header.Set("X-Envoy-Upstream-Service-Time", v)
	}
	return rec
}

func TestRecordedJSONLines(t *testing.T) {
	var recorded struct {
		Lines []map[string]any `json:"istio_json"`
	}
	corpus.SharedJSON(t, "telemetry/access-log-samples.json", &recorded)
	for _, want := range recorded.Lines {
		var out bytes.Buffer
		sink, err := access.Envoy(&out, istioJSON)
		require.NoError(t, err)
		sink(t.Context(), recordFrom(t, want))
		want["upstream_local_address"] = nil // nobody knows it inside of a process
		line, err := json.Marshal(want)      // with its keys in order, as Envoy's
		require.NoError(t, err)
		require.Equal(t, string(line)+"\n", out.String())
	}
}

func TestRecordedTextLines(t *testing.T) {
	var recorded struct {
		Lines []string `json:"istio_text"`
	}
	corpus.SharedJSON(t, "telemetry/access-log-samples.json", &recorded)
	keys := strings.Fields("start_time method path protocol response_code response_flags response_code_details connection_termination_details " +
		"upstream_transport_failure_reason bytes_received bytes_sent duration upstream_service_time x_forwarded_for user_agent request_id " +
		"authority upstream_host upstream_cluster upstream_local_address downstream_local_address downstream_remote_address " +
		"requested_server_name route_name")
	for _, want := range recorded.Lines {
		fields := strings.Fields(strings.NewReplacer(`"`, "", "[", "", "]", "").Replace(want))
		require.Len(t, fields, len(keys))
		line := map[string]any{}
		for i, key := range keys {
			var n float64
			switch {
			case fields[i] == "-":
			case key != "upstream_service_time" && json.Unmarshal([]byte(fields[i]), &n) == nil:
				line[key] = n
			default:
				line[key] = fields[i]
			}
		}
		var out bytes.Buffer
		sink, err := access.Envoy(&out, access.IstioText)
		require.NoError(t, err)
		sink(t.Context(), recordFrom(t, line))
		want = strings.Replace(want, " "+line["upstream_local_address"].(string)+" ", " - ", 1) // nobody knows it inside of a process
		require.Equal(t, want+"\n", out.String())
	}
}

// TestRecordedSituations writes the fields of recorded situations as Envoy did.
func TestRecordedSituations(t *testing.T) {
	var recorded struct {
		Cases []struct {
			Case    string
			Code    int       `json:"response_code"`
			Flags   mesh.Flag `json:"response_flags"`
			Details string    `json:"response_code_details"`
			Failure string    `json:"upstream_transport_failure_reason"`
		}
	}
	corpus.SharedJSON(t, "telemetry/access-log-cases.json", &recorded)
	for _, c := range recorded.Cases {
		t.Run(c.Case, func(t *testing.T) {
			want, err := json.Marshal(map[string]any{"c": c.Code, "d": c.Details, "f": c.Flags, "r": nullable(c.Failure)})
			require.NoError(t, err)
			if c.Flags == "-" {
				c.Flags = ""
			}
			require.Equal(t, string(want)+"\n", line(t, `{"f":"%RESPONSE_FLAGS%","c":"%RESPONSE_CODE%","d":"%RESPONSE_CODE_DETAILS%","r":"%UPSTREAM_TRANSPORT_FAILURE_REASON%"}`,
				access.Record{Status: c.Code, Flags: c.Flags, Details: c.Details}))
		})
	}
}

func nullable(s string) any {
	if s == "-" {
		return nil
	}
	return s
}

// line is a Record in a format.
func line(t *testing.T, format string, r access.Record) string {
	t.Helper()
	var out bytes.Buffer
	sink, err := access.Envoy(&out, format)
	require.NoError(t, err)
	sink(t.Context(), r)
	return out.String()
}

func TestCommands(t *testing.T) {
	r := access.Record{
		Method: "GET", Host: "reviews", Path: "/a?b", Protocol: "HTTP/2", Status: 200, Attempts: 3, Branch: "v1", Upstream: "outbound|80|v1|reviews",
		Endpoint: "10.0.0.1:80", Start: time.Date(2026, 1, 2, 3, 4, 5, 6789000, time.FixedZone("", 3600)),
		Request: (&http.Request{
			RemoteAddr: "10.0.0.9:1234", URL: &url.URL{}, TLS: &tls.ConnectionState{ServerName: "sni.example.com"},
			Header: http.Header{"X-Two": {"1", "2"}, "Accept": {"a", "b"}, "X-Empty": {""}, "X-Odd": {"a\"b\\c\td\x01e\xff"}},
		}).WithContext(contextWith(t, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 80})),
		Header: http.Header{"X-Answer": {"yes"}, "Vary": {"a", "b"}, "Link": {"a", "b"}}, Trailer: http.Header{"X-Sum": {"7"}},
	}
	for _, tt := range []struct{ format, want string }{
		{"plain", "plain"},
		{"100%% of %PROTOCOL%", "100% of HTTP/2"},
		{"%START_TIME%", "2026-01-02T02:04:05.006Z"},
		{"%REQ(:METHOD)% %REQ(:authority)% %REQ(Host)% %REQ(:PATH)% %REQ(:SCHEME)%", "GET reviews reviews /a?b https"},
		{"%REQ(x-two)% %REQUEST_HEADER(X-TWO)% %REQ(accept)%", "1 1 a,b"},
		{"%REQ(X-EMPTY?X-TWO)%|%REQ(X-NONE?:PATH)%|%REQ(X-NONE?X-EMPTY)%|%REQ(X-NONE)%|%REQ(X-NONE?X-GONE)%", "|/a?b||-|-"},
		{`{"a": "%REQ(X-EMPTY)%", "b": "%REQ(X-NONE)%", "c": "%QUERY_PARAM(b)%", "d": "%QUERY_PARAM(c)%"}`, `{"a":"","b":null,"c":"","d":null}` + "\n"},
		{"%QUERY_PARAMS% %QUERY_PARAM(b)%|%QUERY_PARAM(c)%|%PATH% %PATH(WQ)% %PATH(NQ)% %PATH(NQ):1%", "b |-|/a?b /a?b /a /"},
		{"%RESP(:STATUS)% %RESP(Vary)% %RESP(Link)%", "200 a,b a"},
		{"%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)% %START_TIME(%s.%6f)% %START_TIME(%E3S %j%%)%", "2026-01-02T02:04:05.006Z 1767319445.006789 05.006 002%"},
		{"%START_TIME(%a %A %b %B %e %I %p %y %D %F %R %T)%", "Fri Friday Jan January  2 02 AM 26 01/02/26 2026-01-02 02:04 02:04:05"},
		{"%START_TIME(%f %1f %E*S)%", "006789000 0 05.006789"},
		{"%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT% %DOWNSTREAM_LOCAL_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_PORT%",
			"10.0.0.1 80 80 10.0.0.9:1234 1234"},
		{`{"a": "%UPSTREAM_REMOTE_PORT%", "b": "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}`, `{"a":80,"b":"10.0.0.1"}` + "\n"},
		{"%RESP(X-Answer)% %RESPONSE_HEADER(x-answer)% %TRAILER(X-SUM)% %RESPONSE_TRAILER(X-SUM)%", "yes yes 7 7"},
		{"%REQ(:PATH):2% %PROTOCOL:4% %UPSTREAM_HOST:99%", "/a HTTP 10.0.0.1:80"},
		{"%UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW% %UPSTREAM_REMOTE_ADDRESS%", "3 outbound|80|v1|reviews; outbound|80|v1|reviews 10.0.0.1:80"},
		{"%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_ADDRESS% %REQUESTED_SERVER_NAME%",
			"10.0.0.9:1234 10.0.0.9 10.0.0.2:80 sni.example.com"},
		{"%UPSTREAM_LOCAL_ADDRESS% %CONNECTION_TERMINATION_DETAILS% %ROUTE_NAME%", "- - -"},
		{`{"b": "%RESPONSE_CODE%", "a": "%ROUTE_NAME%", "c": "%RESPONSE_CODE% %ROUTE_NAME%", "d": "fixed", "e\"": "%RESPONSE_FLAGS%", "f": ""}`,
			`{"a":null,"b":200,"c":"200 -","d":"fixed","e\"":"-","f":""}` + "\n"},
		{` {"odd": "%REQ(X-ODD)%"}`, `{"odd":"a\"b\\c\td\u0001e` + "\ufffd" + `"}` + "\n"},
		{"{}", "{}\n"},
	} {
		t.Run(tt.format, func(t *testing.T) { require.Equal(t, tt.want, line(t, tt.format, r)) })
	}
}

func TestFormatsThatAreNone(t *testing.T) {
	for _, tt := range []struct{ format, problem string }{
		{"%PROTOCOL", `format: a command has no closing %; write %% for a percent sign (got "%PROTOCOL")`},
		{"50% of", `format: a command has no closing %; write %% for a percent sign (got "% of")`},
		{"%NOTHING%", `format: is no command known here (got "%NOTHING%")`},
		{"%REQ(X%", `format: a command has no closing %`},
		{"%REQ)X(%", `format: has no closing parenthesis`},
		{"%REQ()%", `format: needs the name of a header, such as REQ(X-REQUEST-ID)`},
		{"%REQ%", `format: needs the name of a header, such as REQ(X-REQUEST-ID)`},
		{"%PROTOCOL:x%", `format: the length after the colon must be a positive number`},
		{"%PROTOCOL:0%", `format: the length after the colon must be a positive number`},
		{"%START_TIME(%Q)%", `format: has a directive that is not known here: %Q`},
		{"%START_TIME(%)%", `format: has a directive that is not known here: %`},
		{"%START_TIME(%EfS)%", `format: has a directive that is not known here: %Ef`},
		{"%START_TIME(%12S)%", `format: has a directive that is not known here: %12S`},
		{"%START_TIME(%12f)%", `format: has a directive that is not known here: %12f`},
		{"%PROTOCOL(x)%", `format: takes no argument here`},
		{"%QUERY_PARAM%", `format: is no command known here`},
		{`{"a": "%NOTHING%"}`, `format.a: is no command known here (got "%NOTHING%")`},
		{`{"a": {"b": "%PROTOCOL%"}}`, `format.a: must be a string`},
		{`{"a": `, `format: is not a JSON object`},
		{`{"a": "b"} trailing`, `format: is not a JSON object`},
	} {
		t.Run(tt.format, func(t *testing.T) {
			sink, err := access.Envoy(&bytes.Buffer{}, tt.format)
			require.Nil(t, sink)
			var problem *mesh.Problem
			require.True(t, errors.As(err, &problem))
			require.Contains(t, err.Error(), tt.problem)
		})
	}
}

// FuzzFormat makes sure that any format is either refused or gives one line of
// what it says: JSON that can be read, or text with as many literal bytes.
func FuzzFormat(f *testing.F) {
	f.Add(access.EnvoyText)
	f.Add(access.IstioText)
	f.Add(istioJSON)
	f.Add(`{"a":"%REQ(X?Y):3%"}`)
	f.Add("%%%%%")
	f.Fuzz(func(t *testing.T, format string) {
		var out bytes.Buffer
		sink, err := access.Envoy(&out, format)
		if err != nil {
			return
		}
		sink(t.Context(), access.Record{
			Path: "/\"\xff\n", Request: &http.Request{URL: &url.URL{}, Header: http.Header{"X": {"\x00"}}},
		})
		if strings.HasPrefix(strings.TrimSpace(format), "{") {
			var object map[string]any
			if err := json.Unmarshal(out.Bytes(), &object); err != nil {
				t.Errorf("%q is no JSON: %v", out.String(), err)
			}
			if strings.Count(out.String(), "\n") != 1 {
				t.Errorf("%q is not one line", out.String())
			}
			return
		}
		if !strings.Contains(format, "%") && out.String() != format {
			t.Errorf("%q became %q", format, out.String())
		}
	})
}
