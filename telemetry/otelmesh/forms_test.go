package otelmesh_test

import (
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/sidecarless/mesh/telemetry/otelmesh"
)

// The server removes the files of a form that its own request has.
func TestTheServerIsToldOfTheFormThatAHandlerHasParsed(t *testing.T) {
	for name, c := range map[string]otelmesh.Config{
		"with spans": {Tracer: sdktrace.NewTracerProvider()},
		"without":    {},
	} {
		t.Run(name, func(t *testing.T) {
			tel, err := otelmesh.New(c)
			require.NoError(t, err)
			r := httptest.NewRequest(http.MethodPost, "/upload", nil)
			tel.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				r.MultipartForm = new(multipart.Form) // as ParseMultipartForm does
			})).ServeHTTP(httptest.NewRecorder(), r)
			require.NotNil(t, r.MultipartForm)
		})
	}
}
