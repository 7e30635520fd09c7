package bookinfo

import (
	"os"

	"github.com/sidecarless/mesh/internal/certtest"
	"github.com/sidecarless/mesh/mtls"
)

// identify gives each service account a certificate.
func (d *Demo) identify() error {
	ca := certtest.NewCA()
	for service, namespace := range map[string]string{
		"ratings": "default", "productpage": "default", "istio-ingressgateway": "istio-system",
	} {
		dir, err := os.MkdirTemp("", "bookinfo")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		cert, key, roots := ca.Write(dir, "spiffe://cluster.local/ns/"+namespace+"/sa/"+service)
		id, err := mtls.New(mtls.Config{CertFile: cert, KeyFile: key, RootsFile: roots})
		if err != nil {
			return err
		}
		d.identities[service] = id
	}
	return nil
}
