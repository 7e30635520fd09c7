package mtls

import (
	"errors"
	"fmt"
	"strings"
)

// An ID is who a workload is: a service account of a namespace in a trust domain.
type ID struct{ TrustDomain, Namespace, ServiceAccount string }

// maxURI is the longest SPIFFE id (SPIFFE-ID section 2.3).
const maxURI = 2048

// ParseID reads a SPIFFE id of the form that Istio gives:
// spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT.
func ParseID(uri string) (ID, error) {
	rest, ok := strings.CutPrefix(uri, "spiffe://")
	if !ok {
		return ID{}, fmt.Errorf("mtls: %q is no SPIFFE id: it must begin with spiffe://", uri)
	}
	if len(uri) > maxURI {
		return ID{}, errors.New("mtls: a SPIFFE id of more than 2048 bytes")
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 5 || parts[1] != "ns" || parts[3] != "sa" {
		return ID{}, fmt.Errorf("mtls: %q is not of the form spiffe://trust-domain/ns/namespace/sa/account", uri)
	}
	id := ID{parts[0], parts[2], parts[4]}
	if !trustDomain(id.TrustDomain) {
		return ID{}, fmt.Errorf("mtls: %q has a trust domain that is none: small letters, digits, dots, dashes and underscores", uri)
	}
	if !segment(id.Namespace) || !segment(id.ServiceAccount) {
		return ID{}, fmt.Errorf("mtls: %q has a namespace or account that is none: letters, digits, dots, dashes and underscores", uri)
	}
	return id, nil
}

// trustDomain is the syntax of SPIFFE-ID section 2.1.
func trustDomain(s string) bool {
	return s != "" && len(s) <= 255 && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	}) < 0
}

// segment is the syntax of SPIFFE-ID section 2.2.
func segment(s string) bool {
	return s != "" && s != "." && s != ".." && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	}) < 0
}

// String is the id as a URI.
func (id ID) String() string { return "spiffe://" + id.Principal() }

// Principal is the id as policies name it, without "spiffe://".
func (id ID) Principal() string {
	return id.TrustDomain + "/ns/" + id.Namespace + "/sa/" + id.ServiceAccount
}
