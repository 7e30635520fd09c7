package mtls_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/meshtest"
	"github.com/sidecarless/mesh/mtls"
)

func TestHandlerContract(t *testing.T) {
	meshtest.TestHandler(t, newWorkload(t, certtest.NewCA(), reviewsID).Handler)
}

// The format is Envoy's, as recorded from a sidecar of Istio.
func TestForwardedClientCert(t *testing.T) {
	ca := certtest.NewCA()
	w := newWorkload(t, ca, reviewsID)
	leaf := func(id string, change ...func(*x509.Certificate)) *x509.Certificate {
		cert, key := ca.Issue(id, change...)
		return pairOf(t, cert, key).Leaf
	}
	verified := func(c *x509.Certificate) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}, VerifiedChains: [][]*x509.Certificate{{c}}}
	}
	plain, named := leaf(frontendID), leaf(frontendID, func(c *x509.Certificate) {
		c.Subject = pkix.Name{Organization: []string{`a "b"`}}
		c.DNSNames = []string{"frontend.shop"}
	})
	hash := func(c *x509.Certificate) string { return fmt.Sprintf("%x", sha256.Sum256(c.Raw)) }
	by := "By=" + reviewsID + ";Hash="
	own := by + hash(plain) + `;Subject="";URI=` + frontendID
	for _, c := range []struct {
		name  string
		state *tls.ConnectionState
		sent  []string
		want  []string
		known bool
	}{
		{"plain text", nil, nil, nil, false},
		{"plain text that claims", nil, []string{"By=x;URI=" + frontendID}, nil, false},
		{"mutual TLS", verified(plain), nil, []string{own}, true},
		{"mutual TLS that claims", verified(plain), []string{"By=x", "By=y"}, []string{"By=x,By=y," + own}, true},
		{"names", verified(named), nil, []string{by + hash(named) + `;Subject="O=a \"b\"";URI=` + frontendID + ";DNS=frontend.shop"}, true},
		{"a certificate that was not verified", &tls.ConnectionState{PeerCertificates: []*x509.Certificate{plain}}, []string{"By=x"}, nil, false},
		{"another mesh's certificate", verified(leaf("spiffe://other.local/ns/a/sa/b")), []string{"By=x"}, nil, false},
		{"TLS without a certificate", &tls.ConnectionState{}, []string{"By=x"}, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.TLS = c.state
			if c.sent != nil {
				r.Header["X-Forwarded-Client-Cert"] = c.sent
			}
			w.Handler(http.HandlerFunc(func(_ http.ResponseWriter, in *http.Request) {
				require.Equal(t, c.want, in.Header["X-Forwarded-Client-Cert"])
				id, known := mtls.Peer(in)
				require.Equal(t, c.known, known)
				if known {
					require.Equal(t, frontendID, id.String())
				}
			})).ServeHTTP(httptest.NewRecorder(), r)
			require.Equal(t, c.sent, r.Header["X-Forwarded-Client-Cert"], "the request that came is not changed")
		})
	}
}

// The server removes the files of a form that its own request has.
func TestTheServerIsToldOfTheFormThatAHandlerHasParsed(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/upload", nil)
	r.Header.Set("X-Forwarded-Client-Cert", "URI="+frontendID)
	newWorkload(t, certtest.NewCA(), reviewsID).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r.MultipartForm = new(multipart.Form) // as ParseMultipartForm does
	})).ServeHTTP(httptest.NewRecorder(), r)
	require.NotNil(t, r.MultipartForm)
}
