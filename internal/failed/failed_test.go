package failed

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestAMarkStaysWithItsAnswer(t *testing.T) {
	err := errors.New("no endpoint")
	asked, sent := httptest.NewRequest("GET", "/", nil), httptest.NewRequest("GET", "/rewritten", nil)
	res := new(http.Response)
	require.NoError(t, Of(res))
	Mark(res, sent, err)
	require.Equal(t, err, Of(res))
	Rename(res, asked, sent)
	require.Equal(t, "/rewritten", res.Request.URL.Path, "it was no answer to that request")
	Rename(res, sent, asked)
	require.Equal(t, err, Of(res))
	require.Equal(t, "/", res.Request.URL.Path)

	again := &http.Response{Request: res.Request}
	require.NoError(t, Of(again), "another answer to the same request")
	Rename(again, res.Request, asked)
	require.Same(t, asked, again.Request)
}
