package access_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/access"
)

// framed are messages of the sizes given, as gRPC writes them.
func framed(sizes ...int) []byte {
	var b []byte
	for _, size := range sizes {
		b = append(b, 0)
		b = binary.BigEndian.AppendUint32(b, uint32(size))
		b = append(b, make([]byte, size)...)
	}
	return b
}

// Both sides count the messages of a call, in whichever pieces they come.
func TestMessagesOfGRPCAreCounted(t *testing.T) {
	for _, kind := range []string{"application/grpc", "application/grpc+proto", "application/json"} {
		var called, served access.Record
		keep := func(to *access.Record) access.Sink {
			return func(_ context.Context, r access.Record) { *to = r }
		}
		handler := keep(&served).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, iotest.OneByteReader(r.Body))
			require.NoError(t, err)
			w.Header().Set("Content-Type", kind)
			for _, b := range framed(70_000, 0) {
				w.Write([]byte{b})
			}
			require.NoError(t, http.NewResponseController(w).Flush())
		}))
		next := roundTripper(func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r.WithContext(context.Background()))
			res := w.Result()
			res.Request = r
			return res, nil
		})
		r := httptest.NewRequest("POST", "/", bytes.NewReader(framed(1, 300, 0)))
		r.Header.Set("Content-Type", kind)
		res, err := keep(&called).Transport(next).RoundTrip(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		res.Body.Close()
		want := [2]int64{3, 2}
		if kind == "application/json" {
			want = [2]int64{}
		}
		require.Equal(t, want, [2]int64{called.RequestMessages, called.ResponseMessages}, kind)
		require.Equal(t, want, [2]int64{served.RequestMessages, served.ResponseMessages}, kind)
	}
}
