package istio

import (
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/build"
	"github.com/sidecarless/mesh/config/internal/manifest"
)

// checkGateway checks what Istio's admission check does, and refuses what it
// lets pass although it cannot work.
func checkGateway(c *checker, g *networking.Gateway) {
	if c.res.Name != "" && !isLabel(c.res.Name) {
		c.refuse(manifest.Top("metadata").Field("name"), c.res.Name, "the name of a Gateway must be letters, digits and inner dashes, without dots")
	}
	p := manifest.Top("spec").Field("servers")
	if len(g.Servers) == 0 {
		c.refuse(p, nil, "must have at least one server")
	}
	names := map[string]bool{}
	for i, s := range g.Servers {
		at := p.At(i)
		c.server(at, s)
		if s.Port == nil {
			continue
		}
		if names[s.Port.Name] {
			c.refuse(at.Field("port").Field("name"), s.Port.Name, "is the name of the port of an earlier server too")
		}
		names[s.Port.Name] = true
		if s.Tls.GetHttpsRedirect() && !protocolOf(s.Port.Protocol).http() {
			c.warn(at.Field("tls").Field("httpsRedirect"), nil, "does nothing here: only a server of plain HTTP redirects to https")
		}
	}
}

func (c *checker) server(p *manifest.Path, s *networking.Server) {
	if len(s.Hosts) == 0 {
		c.refuse(p.Field("hosts"), nil, "must have at least one host")
	}
	for i, host := range s.Hosts {
		c.serverHost(p.Field("hosts").At(i), host)
	}
	portRight := c.serverPort(p.Field("port"), s.Port, s.Bind)
	c.bind(p, s)
	if s.Tls != nil {
		c.serverTLS(p.Field("tls"), s.Tls)
	}
	if !portRight {
		return
	}
	switch protocol := protocolOf(s.Port.Protocol); {
	case protocol.tls() && s.Tls == nil:
		c.refuse(p.Field("tls"), nil, "is missing: the protocol %s needs it", s.Port.Protocol)
	case protocol.tls() || s.Tls == nil:
	case !protocol.http():
		c.refuse(p.Field("tls"), nil, "cannot be given for the protocol %s; write HTTPS or TLS", s.Port.Protocol)
	case !passesThrough(s.Tls.Mode) || s.Tls.CaCertificates != "" || s.Tls.PrivateKey != "" || s.Tls.ServerCertificate != "":
		c.refuse(p.Field("tls"), nil, "can hold httpsRedirect alone for the protocol %s; to serve TLS, write HTTPS", s.Port.Protocol)
	}
}

func passesThrough(mode networking.ServerTLSSettings_TLSmode) bool {
	return mode == networking.ServerTLSSettings_PASSTHROUGH || mode == networking.ServerTLSSettings_AUTO_PASSTHROUGH
}

// serverHost checks a host of a server: namespace/name, or name.
func (c *checker) serverHost(p *manifest.Path, host string) {
	namespace, name, qualified := strings.Cut(host, "/")
	if !qualified {
		namespace, name = "*", host
	}
	if namespace != "*" && namespace != "." && !isLabel(namespace) {
		c.refuse(p, host, "must be NAMESPACE/NAME, ./NAME or */NAME, and %q is no namespace", namespace)
	}
	if isIP(name) && strings.Contains(name, ".") {
		return
	}
	switch problem := hostProblem(name); {
	case problem != "" && !isIP(name):
		c.refuse(p, host, "%s", problem)
	case name != "*" && !strings.Contains(name, "."):
		c.refuse(p, host, "must be a full name, with dots")
	case partialWildcard(name):
		c.refuse(p, host, "a wildcard must stand for whole labels: *.%s", strings.TrimLeft(name, "*-"))
	}
}

// serverPort checks the port of a server, and reports whether it is right.
func (c *checker) serverPort(p *manifest.Path, port *networking.Port, bind string) bool {
	if port == nil {
		return false
	}
	before := len(c.found)
	if !protocolOf(port.Protocol).known() {
		c.refuse(p.Field("protocol"), port.Protocol, "must be %s", protocols)
	}
	if port.Number > 0 || !strings.HasPrefix(bind, "unix://") {
		c.port(p.Field("number"), port.Number)
	}
	if port.TargetPort > 0 {
		c.refuse(p.Field("targetPort"), nil, "means nothing in a Gateway; leave it out")
	}
	if port.Name == "" {
		c.refuse(p.Field("name"), nil, "must not be empty")
	}
	return len(c.found) == before
}

func (c *checker) bind(p *manifest.Path, s *networking.Server) {
	socket, unix := strings.CutPrefix(s.Bind, "unix://")
	switch {
	case unix:
		c.unixAddress(p.Field("bind"), socket)
		if s.Port.GetNumber() != 0 {
			c.refuse(p.Field("port").Field("number"), s.Port.Number, "must be 0 for a unix socket")
		}
	case s.Bind != "" && !isIP(s.Bind):
		c.refuse(p.Field("bind"), s.Bind, "must be an IP address or unix:///path")
	}
}

// serverTLS checks the settings of TLS that a gateway serves.
func (c *checker) serverTLS(p *manifest.Path, t *networking.ServerTLSSettings) {
	c.tlsVersions(p, t)
	c.ciphers(p.Field("cipherSuites"), t.CipherSuites)
	if t.Mode == networking.ServerTLSSettings_ISTIO_MUTUAL {
		for _, field := range certificateFields(t) {
			if field != "caCrl" {
				c.refuse(p.Field(field), nil, "cannot be given with mode ISTIO_MUTUAL, which uses the identity of the mesh")
			}
		}
		return
	}
	if passesThrough(t.Mode) {
		if fields := certificateFields(t); len(fields) > 0 {
			c.warn(p.Field(fields[0]), nil, "is not used: mode %s passes TLS on to the destination", t.Mode)
		}
	}
	if sources := certificateSources(t); len(sources) > 1 {
		c.refuse(p.Field(sources[1]), nil, "only one of %s may be given", manifest.List(sources, "and"))
	}
	terminates := t.Mode == networking.ServerTLSSettings_SIMPLE || t.Mode == networking.ServerTLSSettings_MUTUAL ||
		t.Mode == networking.ServerTLSSettings_OPTIONAL_MUTUAL
	if terminates && (t.CredentialName != "" || len(t.CredentialNames) > 0) {
		return
	}
	if terminates {
		c.certificateFiles(p, t)
	}
	if t.CaCrl != "" && t.CredentialName != "" {
		c.refuse(p.Field("caCrl"), nil, "cannot stand beside credentialName; put the list into the secret")
	}
	if t.CaCrl != "" && t.Mode == networking.ServerTLSSettings_SIMPLE {
		c.refuse(p.Field("caCrl"), nil, "means nothing in mode SIMPLE, which asks for no client certificate")
	}
}

// tlsVersions checks the bounds of the protocol's version. Istio does not see
// when they cross.
func (c *checker) tlsVersions(p *manifest.Path, t *networking.ServerTLSSettings) {
	const auto = networking.ServerTLSSettings_TLS_AUTO
	least, most := t.MinProtocolVersion, t.MaxProtocolVersion
	if least != auto && least < networking.ServerTLSSettings_TLSV1_2 && len(t.CipherSuites) == 0 {
		c.warn(p.Field("minProtocolVersion"), least, "cannot be spoken with the default cipherSuites; name compatible ones")
	}
	if least != auto && most != auto && least > most {
		c.pointless(p.Field("minProtocolVersion"), least, "must not be above maxProtocolVersion, %s", most)
	}
}

func (c *checker) ciphers(p *manifest.Path, suites []string) {
	var unknown, double []string
	seen := map[string]bool{}
	for _, s := range suites {
		switch {
		// What begins with a sign is an expression of OpenSSL.
		case s != "" && s != "ALL" && isAlphanumeric(s[0]) && !build.KnowsSuite(s):
			unknown = append(unknown, s)
		case seen[s]:
			double = append(double, s)
		}
		seen[s] = true
	}
	if len(unknown) > 0 {
		c.warn(p, nil, "no such cipher suite, ignored: %s", strings.Join(unknown, ", "))
	}
	if len(double) > 0 {
		c.warn(p, nil, "given twice, ignored: %s", strings.Join(double, ", "))
	}
}

// certificateFields are the fields set that bring certificates or lists of them.
func certificateFields(t *networking.ServerTLSSettings) []string {
	var set []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"serverCertificate", t.ServerCertificate != ""},
		{"privateKey", t.PrivateKey != ""},
		{"caCertificates", t.CaCertificates != ""},
		{"tlsCertificates", len(t.TlsCertificates) > 0},
		{"credentialName", t.CredentialName != ""},
		{"credentialNames", len(t.CredentialNames) > 0},
		{"caCrl", t.CaCrl != ""},
	} {
		if f.set {
			set = append(set, f.name)
		}
	}
	return set
}

// certificateSources are the ways in which the server's certificate is given.
func certificateSources(t *networking.ServerTLSSettings) []string {
	var set []string
	if t.CredentialName != "" {
		set = append(set, "credentialName")
	}
	if len(t.CredentialNames) > 0 {
		set = append(set, "credentialNames")
	}
	if t.ServerCertificate != "" && t.PrivateKey != "" {
		set = append(set, "serverCertificate")
	}
	if len(t.TlsCertificates) > 0 {
		set = append(set, "tlsCertificates")
	}
	return set
}

// certificateFiles checks the files of a server that ends TLS itself.
func (c *checker) certificateFiles(p *manifest.Path, t *networking.ServerTLSSettings) {
	if t.Mode != networking.ServerTLSSettings_SIMPLE && t.CaCertificates == "" {
		c.refuse(p.Field("caCertificates"), nil, "is missing: mode %s verifies clients by it, or by a credentialName", t.Mode)
	}
	missing := func(p *manifest.Path, certificate, key string) {
		const reason = "is missing: mode %s needs it, or a credentialName"
		if certificate == "" {
			c.refuse(p.Field("serverCertificate"), nil, reason, t.Mode)
		}
		if key == "" {
			c.refuse(p.Field("privateKey"), nil, reason, t.Mode)
		}
	}
	if len(t.TlsCertificates) == 0 {
		missing(p, t.ServerCertificate, t.PrivateKey)
	}
	if len(t.TlsCertificates) > 2 {
		c.warn(p.Field("tlsCertificates"), nil, "only two certificates can be served")
	}
	for i, pair := range t.TlsCertificates {
		missing(p.Field("tlsCertificates").At(i), pair.ServerCertificate, pair.PrivateKey)
	}
}
