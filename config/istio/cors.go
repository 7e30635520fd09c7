package istio

import (
	"slices"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

var corsMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"}

func (c *checker) cors(p *manifest.Path, policy *networking.CorsPolicy) {
	if policy == nil {
		return
	}
	for i, origin := range policy.AllowOrigins {
		at := p.Field("allowOrigins").At(i)
		if origin.GetExact() == "" && origin.GetPrefix() == "" && origin.GetRegex() == "" {
			c.refuse(at, nil, "is empty: it needs exact, prefix or regex with a value")
			continue
		}
		c.stringRegex(at, origin)
	}
	for i, method := range policy.AllowMethods {
		if !slices.Contains(corsMethods, method) {
			c.refuse(p.Field("allowMethods").At(i), method, "must be one of %s", manifest.List(corsMethods, "or"))
		}
	}
	c.corsHeaders(p.Field("allowHeaders"), policy.AllowHeaders)
	c.corsHeaders(p.Field("exposeHeaders"), policy.ExposeHeaders)
	c.duration(p.Field("maxAge"), policy.MaxAge)
	if age := policy.MaxAge.AsDuration(); policy.MaxAge != nil && age >= time.Millisecond && age%time.Second != 0 {
		c.refuse(p.Field("maxAge"), age, "must be whole seconds: browsers are told no other")
	}
}

func (c *checker) corsHeaders(p *manifest.Path, names []string) {
	for i, name := range names {
		if name != "*" && !isToken(name) {
			c.refuse(p.At(i), name, "must be the name of a header, or *")
		}
	}
}
