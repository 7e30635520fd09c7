package peer

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
)

// ForwardedCert is the header in which proxies tell who called, as Envoy has it.
const ForwardedCert = "X-Forwarded-Client-Cert"

// Forwarded is an element of that header: who was called, if known, the hash of the
// caller's certificate, if whole the certificate itself, its subject, and its URIs
// and names.
func Forwarded(by string, cert *x509.Certificate, whole bool) string {
	var b strings.Builder
	if by != "" {
		b.WriteString("By=" + plainURI.Replace(by) + ";")
	}
	hash := sha256.Sum256(cert.Raw)
	b.WriteString("Hash=" + hex.EncodeToString(hash[:]))
	if whole {
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
		b.WriteString(`;Cert="` + quotedPEM.Replace(string(text)) + `"`)
	}
	b.WriteString(`;Subject="` + plainSubject.Replace(cert.Subject.String()) + `"`) // in which quotes are escaped
	if len(cert.URIs) == 0 {
		b.WriteString(";URI=")
	}
	for _, u := range cert.URIs {
		b.WriteString(";URI=" + plainURI.Replace(u.String()))
	}
	for _, name := range cert.DNSNames {
		if !strings.ContainsAny(name, ",;=\"\r\n") {
			b.WriteString(";DNS=" + name)
		}
	}
	return b.String()
}

var (
	// What would end an element or a part of one.
	plainURI = strings.NewReplacer(",", "%2C", ";", "%3B", `"`, "%22")
	// What no header can have.
	plainSubject = strings.NewReplacer("\r", `\0D`, "\n", `\0A`, "\x00", `\00`)
	// Envoy's encoding of PEM.
	quotedPEM = strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D")
)
