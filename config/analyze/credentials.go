package analyze

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sidecarless/mesh/config/internal/kube"
	"github.com/sidecarless/mesh/config/istio"
)

// credentials checks the Secrets that Gateways name. They lie in the namespace of the
// gateway's Pods. It needs Secrets among the documents.
func (a *analysis) credentials(c *istio.Config) {
	secrets := map[string]*kube.Secret{}
	for _, s := range all[*kube.Secret](c) {
		secrets[fullName(s.Resource)] = s.Spec
	}
	if len(secrets) == 0 {
		return
	}
	for _, g := range a.gateways {
		i := slices.IndexFunc(a.pods, func(p pod) bool { return selects(g.Spec.Selector, p.Labels) })
		if i < 0 {
			continue // which is told of the selector
		}
		namespace := a.pods[i].namespace
		for j, s := range g.Spec.Servers {
			name := s.GetTls().GetCredentialName()
			if name == "" {
				continue
			}
			field := fmt.Sprintf("spec.servers[%d].tls.credentialName", j)
			secret, found := secrets[namespace+"/"+name]
			if !found {
				a.add("IST0101", istio.Error, g.Resource, field,
					fmt.Sprintf("Referenced credentialName not found: %q; there is no Secret of this name in namespace %s, where the gateway's Pods are", name, namespace),
					"correct the name, or move the Secret to that namespace")
				continue
			}
			if err := usable(secret); err != nil {
				a.add("IST0161", istio.Error, g.Resource, field,
					fmt.Sprintf("The credential referenced by the Gateway %s in namespace %s is invalid, which can cause the traffic not to work as expected: %v", g.Name, namespace, err),
					"renew the Secret "+namespace+"/"+name)
			}
		}
	}
}

// usable says what is wrong with the certificate in a Secret, whose names are those
// of Kubernetes or Istio's own.
func usable(s *kube.Secret) error {
	cert, key := s.Data["cert"], s.Data["key"]
	if len(cert) == 0 || len(key) == 0 {
		cert, key = s.Data["tls.crt"], s.Data["tls.key"]
	}
	if len(cert) == 0 || len(key) == 0 {
		return errors.New("it has neither tls.crt and tls.key nor cert and key")
	}
	block, _ := pem.Decode(cert)
	if block == nil {
		return errors.New("its certificate is not in PEM")
	}
	certs, err := x509.ParseCertificates(block.Bytes)
	if err != nil {
		return fmt.Errorf("its certificate cannot be read: %w", err)
	}
	now := time.Now()
	for _, c := range certs {
		if now.After(c.NotAfter) || now.Before(c.NotBefore) {
			return fmt.Errorf("its certificate is good from %s to %s only", c.NotBefore.Format(time.DateTime), c.NotAfter.Format(time.DateTime))
		}
	}
	return nil
}
