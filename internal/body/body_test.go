package body_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/body"
)

// A log notes what enders are told.
type log struct{ lines []string }

// An ender of a log has a name.
type ender struct {
	log  *log
	name string
}

func (e ender) BodyEnded(err error) {
	line := e.name
	if err != nil {
		line += ": " + err.Error()
	}
	e.log.lines = append(e.log.lines, line)
}

func answer(b io.ReadCloser) *http.Response { return &http.Response{StatusCode: 200, Body: b} }

func text(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

func TestTheEndOfABodyIsToldOnce(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		body io.ReadCloser
		use  func(io.ReadCloser)
		want []string
	}{
		"read to its end": {text("abc"), func(b io.ReadCloser) { io.ReadAll(b); b.Close(); b.Close() }, []string{"x"}},
		"closed before":   {text("abc"), func(b io.ReadCloser) { b.Read(make([]byte, 1)); b.Close(); b.Close() }, []string{"x: " + body.ErrClosed.Error()}},
		"broken":          {io.NopCloser(brokenReader{broken}), func(b io.ReadCloser) { io.ReadAll(b); io.ReadAll(b); b.Close() }, []string{"x: broken"}},
		"not ended":       {text("abc"), func(b io.ReadCloser) { b.Read(make([]byte, 3)) }, nil},
		"none":            {http.NoBody, func(io.ReadCloser) {}, []string{"x"}},
		"nil":             {nil, func(io.ReadCloser) {}, []string{"x"}},
	} {
		t.Run(name, func(t *testing.T) {
			var l log
			res := answer(tt.body)
			body.OnEnd(res, nil, ender{&l, "x"})
			tt.use(res.Body)
			require.Equal(t, tt.want, l.lines)
		})
	}
}

func TestLayersShareAWrapperAndTheInnermostIsToldFirst(t *testing.T) {
	var l log
	var slot body.Body
	res := answer(text("abc"))
	want := []string{"1", "2", "3", "4", "5", "6"}
	for i, name := range want {
		body.OnEnd(res, &slot, ender{&l, name})
		require.Equal(t, i < 4, res.Body == &slot, "a wrapper holds four")
	}
	io.ReadAll(res.Body)
	require.Equal(t, want, l.lines)
}

func TestASlotIsUsedOnce(t *testing.T) {
	var l log
	var slot body.Body
	first, second := answer(text("a")), answer(text("b"))
	body.OnEnd(first, &slot, ender{&l, "first"})
	body.OnEnd(second, &slot, ender{&l, "second"})
	require.NotSame(t, first.Body, second.Body)
	io.ReadAll(second.Body)
	io.ReadAll(first.Body)
	require.Equal(t, []string{"second", "first"}, l.lines)
}

// pipe is the body of an upgraded connection.
type pipe struct {
	io.ReadCloser
	written strings.Builder
	half    bool
}

func (p *pipe) Write(b []byte) (int, error) { return p.written.Write(b) }

func (p *pipe) CloseWrite() error {
	p.half = true
	return nil
}

func TestAnUpgradedConnectionKeepsItsOtherDirection(t *testing.T) {
	var l log
	conn := &pipe{ReadCloser: text("abc")}
	res := &http.Response{StatusCode: http.StatusSwitchingProtocols, Body: conn}
	body.OnEnd(res, nil, ender{&l, "x"})
	body.OnEnd(res, nil, ender{&l, "y"})
	_, err := res.Body.(io.Writer).Write([]byte("to the server"))
	require.NoError(t, err)
	require.Equal(t, "to the server", conn.written.String())
	require.NoError(t, res.Body.(interface{ CloseWrite() error }).CloseWrite())
	require.True(t, conn.half)
	res.Body.Close()
	require.Len(t, l.lines, 2)

	_, ok := answer(conn).Body.(io.Writer)
	require.True(t, ok)
	plain := answer(conn)
	body.OnEnd(plain, nil, ender{&l, "z"})
	_, ok = plain.Body.(io.Writer)
	require.False(t, ok, "only an upgraded connection is written to")
}

// A knowing Ender says what an error in reading means.
type knowing struct{ lines []error }

func (k *knowing) BodyEnded(err error) { k.lines = append(k.lines, err) }

func (*knowing) BodyFailed(err error) error { return errors.Join(errors.New("known"), err) }

func TestAFailerSaysWhatAnErrorMeans(t *testing.T) {
	broken := errors.New("broken")
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://x", nil)
	require.NoError(t, err)
	read := func() error {
		var k knowing
		res := answer(io.NopCloser(brokenReader{broken}))
		res.Request = r
		body.OnEnd(res, nil, &k)
		_, err := io.ReadAll(res.Body)
		require.Len(t, k.lines, 1)
		return err
	}
	require.ErrorContains(t, read(), "known")
	cancel()
	require.Equal(t, broken, read(), "the caller ended it")
}

func TestUnwrapIsTheBodyInside(t *testing.T) {
	var l log
	inner := text("abc")
	res := answer(inner)
	body.OnEnd(res, nil, ender{&l, "x"})
	require.Equal(t, inner, res.Body.(interface{ Unwrap() io.ReadCloser }).Unwrap())
}

// A holder holds nothing but a pointer.
type holder struct{ *log }

func (h holder) BodyEnded(error) { h.lines = append(h.lines, "x") }

func TestAnEnderCostsNothing(t *testing.T) {
	var l log
	slots := make([]body.Body, 101)
	res := answer(nil)
	inner, i := text("abc"), 0
	require.Zero(t, testing.AllocsPerRun(100, func() {
		res.Body = inner
		body.OnEnd(res, &slots[i], holder{&l})
		i++
	}))
}
