package macro

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"path"
	"strconv"
)

// The listeners of the answering process, of which there are each one in plain text
// and one with TLS.
const (
	stable1 = iota
	stable2
	canary
	listeners
)

// Hostname is of the service that is asked for.
const Hostname = "reviews.example"

// versionHeader is on the canary's answers.
const versionHeader = "X-Version"

// certificates are files in PEM.
type certificates struct{ Cert, Key, Roots string }

// addresses are where the answering process listens.
type addresses struct{ Plain, Secure []string }

func (a addresses) of(secure bool) []string {
	if secure {
		return a.Secure
	}
	return a.Plain
}

// answer is the answering process: it is told its certificates, tells its
// addresses, and ends when there is nothing more to read.
func answer(in *json.Decoder, out *json.Encoder) error {
	var files certificates
	if err := in.Decode(&files); err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return err
	}
	var where addresses
	for i := range listeners {
		server := &http.Server{Handler: items(i == canary), Protocols: new(http.Protocols)}
		server.ErrorLog = log.New(io.Discard, "", 0) // checks of proxies only connect
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetHTTP2(true)
		server.Protocols.SetUnencryptedHTTP2(true)
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		plain, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		secure, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		where.Plain = append(where.Plain, plain.Addr().String())
		where.Secure = append(where.Secure, secure.Addr().String())
		go server.Serve(plain)             //nolint:errcheck // it ends with the process
		go server.ServeTLS(secure, "", "") //nolint:errcheck // likewise
	}
	if err := out.Encode(where); err != nil {
		return err
	}
	return in.Decode(new(struct{}))
}

// items answers as many bytes as the last part of the path says.
func items(isCanary bool) http.HandlerFunc {
	body := make([]byte, 1<<20)
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(path.Base(r.URL.Path))
		if err != nil || n < 0 || n > len(body) {
			http.NotFound(w, r)
			return
		}
		if isCanary {
			w.Header()[versionHeader] = []string{"canary"}
		}
		w.Header()["Content-Type"] = []string{"application/octet-stream"}
		w.Header()["Content-Length"] = []string{strconv.Itoa(n)}
		w.Write(body[:n]) //nolint:errcheck // the caller may have gone
	}
}
