package istio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sidecarless/mesh/config/internal/build"
)

// A Credential is what a credentialName stands for. All is in PEM.
type Credential struct {
	Certificate []byte // the server's, followed by those between it and the root
	Key         []byte
	Roots       []byte // of clients' certificates, for MUTUAL and OPTIONAL_MUTUAL; may be nil
	Revoked     []byte // lists of clients' certificates that are revoked (CRLs), one of each authority; nil: none is looked at
}

// credential is the source of credentials, or nil.
func (gc *GatewayConfig) credential() func(string) (build.Credential, error) {
	source := gc.Credentials
	if source == nil && gc.CredentialDir != "" {
		source = func(name string) (Credential, error) { return readCredential(gc.CredentialDir, name) }
	}
	if source == nil {
		return nil
	}
	return func(name string) (build.Credential, error) {
		c, err := source(name)
		return build.Credential(c), err
	}
}

// readCredential reads the files of a folder in dir. Any of them may be missing, but
// not all.
func readCredential(dir, name string) (c Credential, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return c, err
	}
	defer root.Close()
	if !fs.ValidPath(name) || name == "." {
		return c, fmt.Errorf("%q cannot be the name of a folder", name)
	}
	var missing error
	for _, f := range [...]struct {
		name string
		to   *[]byte
	}{{"tls.crt", &c.Certificate}, {"tls.key", &c.Key}, {"ca.crt", &c.Roots}, {"ca.crl", &c.Revoked}} {
		*f.to, err = root.ReadFile(name + "/" + f.name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = err
		case err != nil:
			return c, err
		}
	}
	if c.Certificate == nil && c.Roots == nil {
		return c, missing
	}
	return c, nil
}
