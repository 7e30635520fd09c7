package rw

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/meshtest"
)

// The kit gives the handler a ResponseWriter with each of the sixteen sets of
// abilities, and uses them.
func TestAWrapperHasExactlyTheAbilitiesOfTheWrapped(t *testing.T) {
	for name, layer := range map[string]func() (*Writer, Hooks){
		"looking":       func() (*Writer, Hooks) { return new(Writer), nil },
		"hooked":        func() (*Writer, Hooks) { l := new(recorder); return &l.Writer, l },
		"with the body": func() (*Writer, Hooks) { l := new(passing); return &l.Writer, l },
	} {
		t.Run(name, func(t *testing.T) {
			meshtest.TestHandler(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					state, hooks := layer()
					next.ServeHTTP(state.Wrap(w, hooks), r)
					state.Finish()
				})
			})
		})
	}
}

// passing is a layer through which the body goes.
type passing struct{ Writer }

func (*passing) BeforeHeader(status int) int          { return status }
func (p *passing) WriteBody(data []byte) (int, error) { return p.Send(data) }

// serve runs a handler behind a real server and gives its answer to a GET.
func serve(t *testing.T, h2 bool, h http.HandlerFunc) (*http.Response, string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = h2
	srv.Config.Protocols = new(http.Protocols)
	if h2 {
		srv.Config.Protocols.SetHTTP2(true)
		srv.TLS = &tls.Config{NextProtos: []string{"h2"}}
		srv.StartTLS()
	} else {
		srv.Config.Protocols.SetHTTP1(true)
		srv.Start()
	}
	defer srv.Close()
	defer srv.Client().CloseIdleConnections()
	res, err := srv.Client().Get(srv.URL)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, h2, res.ProtoMajor == 2)
	return res, string(text)
}

func TestRealServersKeepTheirAbilitiesThroughThreeWrappers(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			_, text := serve(t, h2, func(w http.ResponseWriter, r *http.Request) {
				want := abilities(w)
				direct := controls(w)
				for range 3 {
					w = new(Writer).Wrap(w, nil)
				}
				if got := abilities(w); got != want {
					t.Errorf("abilities %b, want %b", got, want)
				}
				if got := controls(w); !reflect.DeepEqual(got, direct) {
					t.Errorf("controls %v, want %v", got, direct)
				}
				io.WriteString(w, "done")
			})
			require.Equal(t, "done", text)
		})
	}
}

// controls is what a ResponseController of w can do.
func controls(w http.ResponseWriter) map[string]bool {
	rc := http.NewResponseController(w)
	supported := func(err error) bool { return !errors.Is(err, http.ErrNotSupported) }
	return map[string]bool{
		"read deadline":  supported(rc.SetReadDeadline(farAway)),
		"write deadline": supported(rc.SetWriteDeadline(farAway)),
		"full duplex":    supported(rc.EnableFullDuplex()),
		"flush":          supported(rc.Flush()),
	}
}
