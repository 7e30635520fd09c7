package mtls_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/mtls"
)

// A server that takes callers of the mesh only, and one of them.
func Example() {
	dir, err := os.MkdirTemp("", "mesh")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	// In a cluster these files come from the mesh's certificate authority.
	cert, key, roots := certtest.NewCA().Write(dir, "spiffe://cluster.local/ns/shop/sa/reviews")
	identity, err := mtls.New(mtls.Config{CertFile: cert, KeyFile: key, RootsFile: roots})
	if err != nil {
		fmt.Println(err)
		return
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{Handler: identity.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := mtls.Peer(r)
		fmt.Fprintln(w, "hello", caller.ServiceAccount)
	}))}
	defer server.Close()
	go server.Serve(identity.Listener(listener, func(uint16) mtls.Mode { return mtls.Strict })) //nolint:errcheck // it ends with Close

	reviews := mtls.ID{TrustDomain: "cluster.local", Namespace: "shop", ServiceAccount: "reviews"}
	transport := &http.Transport{TLSClientConfig: identity.Client(reviews)}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("https://" + listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	fmt.Print(string(body))
	// Output: hello reviews
}
