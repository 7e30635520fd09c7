package gatewayapi

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/rewrite"
)

// defaultMaxAge is how many seconds a browser may remember the answer to a
// preflight.
const defaultMaxAge = 5

// corsOf is the layer for pages of other origins, or nil.
func corsOf(filters []filter) (layer, error) {
	for _, f := range filters {
		if f.CORS != nil {
			return newCORS(f.CORS)
		}
	}
	return nil, nil
}

func newCORS(c *corsFilter) (layer, error) {
	config := rewrite.CORSConfig{
		Methods: c.AllowMethods, Headers: c.AllowHeaders, Expose: c.ExposeHeaders,
		MaxAge: time.Duration(or(c.MaxAge, defaultMaxAge)) * time.Second, Credentials: or(c.AllowCredentials, false),
		RefuseUnmatched: true,
	}
	for _, o := range c.AllowOrigins {
		config.Origins = append(config.Origins, originValue(o))
	}
	origins, err := match.NewStrings(config.Origins...)
	if err != nil {
		return nil, err
	}
	k, err := rewrite.NewCORS(config)
	if err != nil {
		return nil, err
	}
	return func(next http.RoundTripper) http.RoundTripper {
		return cors{origins: origins, any: origins.Match("*"), allowed: k.Transport(next)}
	}, nil
}

// originValue is an allowed origin; a star in its host stands for any number of
// labels.
func originValue(o string) match.Value {
	scheme, host, found := strings.Cut(o, "://")
	rest, wild := strings.CutPrefix(host, "*")
	if !found || !wild {
		return match.Exact(o)
	}
	return match.Regex(regexp.QuoteMeta(scheme+"://") + `[^/:]+` + regexp.QuoteMeta(rest))
}

// cors tells pages whose origin is not allowed nothing, and of headers nothing
// where none were asked for.
type cors struct {
	origins *match.Strings
	any     bool
	allowed http.RoundTripper
}

const (
	requestMethod  = "Access-Control-Request-Method"
	requestHeaders = "Access-Control-Request-Headers"
	allowHeaders   = "Access-Control-Allow-Headers"
)

// RoundTrip implements http.RoundTripper.
func (c cors) RoundTrip(r *http.Request) (*http.Response, error) {
	origin := r.Header.Get("Origin")
	preflight := r.Method == http.MethodOptions && origin != "" && r.Header.Get(requestMethod) != ""
	if preflight && !c.any && !c.origins.Match(origin) {
		return rewrite.Reply{}.RoundTrip(r)
	}
	res, err := c.allowed.RoundTrip(r)
	if err == nil && preflight && r.Header.Get(requestHeaders) == "" && res.Header.Get(allowHeaders) == "*" {
		res.Header.Del(allowHeaders)
	}
	return res, err
}
