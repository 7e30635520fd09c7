package istio

import (
	"slices"
	"time"

	networking "istio.io/api/networking/v1alpha3"
)

var corsMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"}

func (c *checker) cors(p *path, policy *networking.CorsPolicy) {
	if policy == nil {
		return
	}
	for i, origin := range policy.AllowOrigins {
		at := p.field("allowOrigins").at(i)
		if origin.GetExact() == "" && origin.GetPrefix() == "" && origin.GetRegex() == "" {
			c.refuse(at, nil, "is empty: it needs exact, prefix or regex with a value")
			continue
		}
		c.stringRegex(at, origin)
	}
	for i, method := range policy.AllowMethods {
		if !slices.Contains(corsMethods, method) {
			c.refuse(p.field("allowMethods").at(i), method, "must be one of %s", list(corsMethods, "or"))
		}
	}
	c.corsHeaders(p.field("allowHeaders"), policy.AllowHeaders)
	c.corsHeaders(p.field("exposeHeaders"), policy.ExposeHeaders)
	c.duration(p.field("maxAge"), policy.MaxAge)
	if age := policy.MaxAge.AsDuration(); policy.MaxAge != nil && age >= time.Millisecond && age%time.Second != 0 {
		c.refuse(p.field("maxAge"), age, "must be whole seconds: browsers are told no other")
	}
}

func (c *checker) corsHeaders(p *path, names []string) {
	for i, name := range names {
		if name != "*" && !isToken(name) {
			c.refuse(p.at(i), name, "must be the name of a header, or *")
		}
	}
}
