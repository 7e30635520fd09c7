package upstream

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/breaker"
	"github.com/sidecarless/mesh/internal/wiretest"
)

func TestWhatFailedOverHTTP2AndHowFarItGot(t *testing.T) {
	const before = "upstream_reset_before_response_started"
	for _, c := range []struct {
		name    string
		server  func(net.Conn)
		flag    mesh.Flag
		stage   mesh.Stage
		details string
	}{
		{"the stream is refused", wiretest.HTTP2(func(s wiretest.H2Stream) { s.Reset(wiretest.RefusedStream) }),
			mesh.RemoteReset, mesh.NotSent, before + "{remote_refused_stream_reset}"},
		{"the stream is reset", wiretest.HTTP2(func(s wiretest.H2Stream) { s.Reset(wiretest.InternalError) }),
			mesh.RemoteReset, mesh.MaybeProcessed, before + "{remote_reset}"},
		{"GOAWAY below the stream", wiretest.HTTP2(func(s wiretest.H2Stream) { s.GoAway(0, wiretest.NoError) }),
			mesh.RemoteReset, mesh.NotSent, before + "{remote_refused_stream_reset}"},
		{"GOAWAY with an error below the first stream", wiretest.HTTP2(func(s wiretest.H2Stream) { s.GoAway(0, wiretest.EnhanceYourCalm) }),
			mesh.RemoteReset, mesh.NotSent, before + "{remote_refused_stream_reset}"},
		{"GOAWAY that covers the stream, then the end", wiretest.HTTP2(func(s wiretest.H2Stream) {
			s.GoAway(s.ID, wiretest.NoError)
			s.Conn.Close()
		}), mesh.ConnectionLost, mesh.MaybeProcessed, before + "{connection_termination}"},
		{"the connection ends", wiretest.HTTP2(func(s wiretest.H2Stream) { s.Conn.Close() }),
			mesh.ConnectionLost, mesh.MaybeProcessed, before + "{connection_termination}"},
		{"the connection is reset", wiretest.HTTP2(func(s wiretest.H2Stream) { wiretest.Reset(s.Conn) }),
			mesh.ConnectionLost, mesh.MaybeProcessed, before + "{connection_termination}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := wiretest.Serve(t, c.server)
			p := testPool(t, Connections{Protocol: HTTP2}, nil, breaker.LimitsConfig{}, nil)
			body := &countedBody{Reader: strings.NewReader("x")}
			_, err := p.RoundTrip(request(t, http.MethodPost, s.Addr(), body))
			requireError(t, err, c.flag, http.StatusServiceUnavailable, c.stage, c.details)
			require.Equal(t, 1, s.Conns(), "nothing is sent twice")
			require.EqualValues(t, 1, body.closes.Load())
			require.Zero(t, p.limits.Stats().Requests)
		})
	}
}

func TestAnAnswerWithTooMuchInItsHeadersOverHTTP2(t *testing.T) {
	k := kinds[1]
	large := func(kilobytes int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := range kilobytes {
				w.Header().Set("A"+string(rune('A'+i%26))+string(rune('A'+i/26)), strings.Repeat("b", 1000))
			}
		}
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		stage  mesh.Stage
	}{
		{"too many", func(w http.ResponseWriter, _ *http.Request) {
			for range 101 {
				w.Header().Add("A", "b")
			}
		}, mesh.Answered},
		{"a little too large", large(61), mesh.Answered},
		// net/http ends the connection: it might have been another request's answer.
		{"much too large", large(80), mesh.MaybeProcessed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := k.serve(t, c.answer)
			p := k.pool(t, s, breaker.LimitsConfig{})
			_, err := fetch(t, p, s.addr())
			requireError(t, err, mesh.ProtocolError, http.StatusBadGateway, c.stage, "upstream_reset_before_response_started{protocol_error}")
			require.Zero(t, p.limits.Stats().Requests)
		})
	}
}

func TestWhatIsNoHTTP2IsAProtocolError(t *testing.T) {
	for name, server := range map[string]func(net.Conn){
		"HTTP/1.1": func(c net.Conn) {
			io.ReadFull(c, make([]byte, 24))
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
			wiretest.Hang(c)
		},
		"a header that is too large to be decoded": wiretest.HTTP2(func(s wiretest.H2Stream) {
			// HEADERS with a literal of which the name is longer than we take: it says
			// 2,097,279 bytes.
			s.Conn.Write([]byte{0, 0, 5, 1, 4, 0, 0, 0, byte(s.ID), 0x00, 0x7f, 0x80, 0x80, 0x80})
			s.Conn.Write([]byte{0, 0, 1, 9, 4, 0, 0, 0, byte(s.ID), 0x01})
		}),
	} {
		t.Run(name, func(t *testing.T) {
			s := wiretest.Serve(t, server)
			p := testPool(t, Connections{Protocol: HTTP2}, nil, breaker.LimitsConfig{}, nil)
			_, err := fetch(t, p, s.Addr())
			// What the server says may come before the request is sent. Then the connection
			// is already lost.
			if mesh.FlagOf(err) == mesh.ConnectionLost {
				require.Equal(t, mesh.NotSent, mesh.StageOf(err))
				return
			}
			requireError(t, err, mesh.ProtocolError, http.StatusBadGateway, min(mesh.StageOf(err), mesh.MaybeProcessed),
				"upstream_reset_before_response_started{protocol_error}")
		})
	}
}

func TestABodyThatBreaksOffOverHTTP2(t *testing.T) {
	k := kinds[1]
	s := k.serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "some")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	p := k.pool(t, s, breaker.LimitsConfig{})
	res, err := p.RoundTrip(request(t, http.MethodGet, s.addr(), nil))
	require.NoError(t, err)
	_, err = io.ReadAll(res.Body)
	requireError(t, err, mesh.RemoteReset, 0, mesh.Answered, "upstream_reset_after_response_started{remote_reset}")
	require.Equal(t, 1, p.stats().Idle, "the connection is as good as before")
}
