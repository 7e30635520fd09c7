package jwt

import (
	"net/http"
	"strings"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/match"
)

// A refusal is why a token is not good, in Envoy's words.
type refusal string

const (
	badForm      refusal = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
	badHeader64  refusal = "Jwt header is an invalid Base64url encoded"
	badHeader    refusal = "Jwt header is an invalid JSON"
	badAlg       refusal = "Jwt header [alg] field is required and must be a string"
	unknownAlg   refusal = "Jwt header [alg] is not supported"
	badKid       refusal = "Jwt header [kid] field is not a string"
	badPayload64 refusal = "Jwt payload is an invalid Base64url encoded"
	badPayload   refusal = "Jwt payload is an invalid JSON"
	badAud       refusal = "Jwt payload [aud] field is not a string or string list"
	badSignature refusal = "Jwt signature is an invalid Base64url encoded"

	notYet        refusal = "Jwt not yet valid"
	expired       refusal = "Jwt is expired"
	unknownIssuer refusal = "Jwt issuer is not configured"
	otherAudience refusal = "Audiences in Jwt are not allowed"
	notVerified   refusal = "Jwt verification fails"
	noKey         refusal = "Jwks doesn't have key to match kid or alg from Jwt"
	noKeys        refusal = "Jwks remote fetch is failed"
	tooMany       refusal = "Found multiple Jwt tokens"
)

// longestURI is how much of a path the answer repeats.
const longestURI = 256

// answer is the error by which r is refused.
func (why refusal) answer(r *http.Request, cause error) error {
	status := http.StatusUnauthorized
	if why == otherAudience {
		status = http.StatusForbidden
	}
	v := match.ViewOf(r)
	target := v.Target()
	uri := v.Scheme() + "://" + v.Host() + target[:min(len(target), longestURI)]
	return &mesh.Error{
		Op: "jwt", Status: status, Stage: mesh.NotSent, Text: string(why), Err: cause,
		Details: "jwt_authn_access_denied{" + strings.ReplaceAll(string(why), " ", "_") + "}",
		Header:  http.Header{"Www-Authenticate": {`Bearer realm="` + quotable(uri) + `", error="invalid_token"`}},
	}
}

// quotable is a text without what would end a quoted string before its time.
func quotable(s string) string {
	return strings.NewReplacer(`"`, "%22", `\`, "%5C").Replace(s)
}
