package rw

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh"
)

var errSealed = errors.New("sealed")

// A layer that embeds a Writer has the Writer's methods; being told of a refusal
// must not be one of them.
func TestALayerThatDoesNotAskIsNotToldOfRefusals(t *testing.T) {
	inner := httptest.NewRecorder()
	h := &recorder{}
	mesh.WriteError(h.Wrap(inner, h), httptest.NewRequest("GET", "/", nil), &mesh.Error{Status: 503})
	require.Equal(t, 503, inner.Code)
	require.Equal(t, []int{503}, h.before)
}

// replacing answers in the handler's place.
type replacing struct {
	Writer
	inner http.ResponseWriter
}

func (h *replacing) BeforeHeader(int) int {
	h.inner.WriteHeader(504)
	_, _ = io.WriteString(h.inner, "late")
	h.Seal(errSealed)
	return 504
}

func TestAfterASealNothingOfTheHandlerIsSent(t *testing.T) {
	refused := func(t *testing.T, err error) { require.ErrorIs(t, err, errSealed) }
	for name, handler := range map[string]func(*testing.T, http.ResponseWriter){
		"WriteHeader": func(_ *testing.T, w http.ResponseWriter) { w.WriteHeader(201) },
		"Write": func(t *testing.T, w http.ResponseWriter) {
			for range 2 {
				_, err := w.Write([]byte("abc"))
				refused(t, err)
			}
		},
		"WriteString": func(t *testing.T, w http.ResponseWriter) { _, err := io.WriteString(w, "abc"); refused(t, err) },
		"ReadFrom": func(t *testing.T, w http.ResponseWriter) {
			_, err := io.Copy(w, io.LimitReader(strings.NewReader("abc"), 3))
			refused(t, err)
		},
		"Flush":   func(_ *testing.T, w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"nothing": func(*testing.T, http.ResponseWriter) {},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				h := &replacing{inner: w}
				handler(t, h.Wrap(w, h))
				h.Finish()
			}))
			defer server.Close()
			res, err := server.Client().Get(server.URL)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, 504, res.StatusCode)
			require.Equal(t, "late", string(body))
		})
	}
	w := httptest.NewRecorder()
	h := &replacing{inner: w}
	h.Wrap(w, h).WriteHeader(201)
	require.Equal(t, 504, h.Status())
}
