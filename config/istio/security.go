package istio

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	security "istio.io/api/security/v1beta1"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// checkPeerAuthentication checks what Istio's admission check does.
func checkPeerAuthentication(c *checker, pa *security.PeerAuthentication) {
	p := manifest.Top("spec")
	ports := p.Field("portLevelMtls")
	if len(pa.PortLevelMtls) > 0 && len(pa.Selector.GetMatchLabels()) == 0 {
		c.refuse(ports, nil, "needs a selector with labels: ports belong to workloads, not to a namespace or a mesh")
	}
	for port := range pa.PortLevelMtls {
		if port < 1 || port > 65535 {
			c.refuse(ports, port, "must be a port number from 1 to 65535")
		}
	}
	c.selector(p.Field("selector"), pa.Selector)
}

// checkRequestAuthentication checks what Istio's admission check does.
func checkRequestAuthentication(c *checker, ra *security.RequestAuthentication) {
	c.target(ra.Selector, ra.TargetRef, ra.TargetRefs)
	for i, rule := range ra.JwtRules {
		c.jwtRule(manifest.Top("spec").Field("jwtRules").At(i), rule)
	}
}

func (c *checker) jwtRule(p *manifest.Path, r *security.JWTRule) {
	if r.Issuer == "" && r.JwksUri == "" {
		c.refuse(p.Field("issuer"), nil, "is missing: a rule needs an issuer or a jwksUri")
	}
	c.notEmpty(p.Field("audiences"), r.Audiences)
	c.notEmpty(p.Field("fromParams"), r.FromParams)
	c.notEmpty(p.Field("fromCookies"), r.FromCookies)
	if r.JwksUri != "" {
		if problem := jwksURIProblem(r.JwksUri); problem != "" {
			c.refuse(p.Field("jwksUri"), r.JwksUri, "%s", problem)
		}
	}
	if r.Jwks != "" {
		c.jwks(p.Field("jwks"), r.Jwks)
	}
	for i, h := range r.FromHeaders {
		if h.Name == "" {
			c.refuse(p.Field("fromHeaders").At(i).Field("name"), nil, "must not be empty")
		}
	}
	for i, out := range r.OutputClaimToHeaders {
		at := p.Field("outputClaimToHeaders").At(i)
		if out.Claim == "" {
			c.refuse(at.Field("claim"), nil, "must not be empty")
		}
		if !plainNameForm.MatchString(out.Header) {
			c.refuse(at.Field("header"), out.Header, "must be the name of a header, of letters, digits, - and _")
		}
	}
	c.duration(p.Field("timeout"), r.Timeout)
}

func (c *checker) notEmpty(p *manifest.Path, values []string) {
	for i, v := range values {
		if v == "" {
			c.refuse(p.At(i), nil, "must not be empty")
		}
	}
}

func jwksURIProblem(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return "is no URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "must begin with http:// or https://"
	}
	return ""
}

// jwks checks a key set given in place, or a single key.
func (c *checker) jwks(p *manifest.Path, text string) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&set); err != nil { // what follows the set is not read
		c.refuse(p, nil, "is no set of keys in JSON: %v", err)
		return
	}
	keys := set.Keys
	if keys == nil {
		keys = []json.RawMessage{json.RawMessage(text)}
	}
	for i, raw := range keys {
		var key map[string]any
		if err := json.Unmarshal(raw, &key); err != nil {
			c.refuse(p, nil, "key %d is no JSON object", i)
			return
		}
		if problem := keyProblem(key); problem != "" {
			c.refuse(p, nil, "key %d %s", i, problem)
			return
		}
		if key["kty"] == "oct" || key["d"] != nil {
			c.warn(p, nil, "key %d holds a secret, and only public keys verify tokens", i)
		}
	}
}

// keyProblem says what is wrong with a JSON web key.
func keyProblem(key map[string]any) string {
	needs := map[any][]string{"RSA": {"n", "e"}, "EC": {"crv", "x", "y"}, "OKP": {"crv", "x"}, "oct": {"k"}}
	members, ok := needs[key["kty"]]
	if !ok {
		return "must have a kty of RSA, EC, OKP or oct"
	}
	for _, name := range members {
		value, ok := key[name].(string)
		switch {
		case !ok || value == "":
			return "lacks " + name
		case name == "crv":
		case !isBase64(value):
			return "has a " + name + " that is not base64"
		}
	}
	return ""
}

// isBase64 accepts both alphabets (RFC 4648 sections 4 and 5), padded or not.
func isBase64(s string) bool {
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	_, err := base64.RawURLEncoding.DecodeString(s)
	return err == nil
}
