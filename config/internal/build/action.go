package build

import (
	"net/http"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/match"
	"github.com/sidecarless/mesh/rewrite"
)

// action is what a rule answers without a destination, or nil.
func action(rule *plan.Rule) (http.RoundTripper, error) {
	if r := rule.Route.GetRedirect(); r != nil {
		d := redirectOf(rule, r)
		return d, d.Validate()
	}
	if r := rule.Route.GetDirectResponse(); r != nil {
		reply := rewrite.Reply{Status: int(r.Status), Location: r.Status == http.StatusCreated || r.Status/100 == 3}
		switch b := r.GetBody().GetSpecifier().(type) {
		case *networking.HTTPBody_String_:
			reply.Body = b.String_
		case *networking.HTTPBody_Bytes:
			reply.Body = string(b.Bytes)
		}
		return reply, reply.Validate()
	}
	return nil, nil
}

func redirectOf(rule *plan.Rule, r *networking.HTTPRedirect) rewrite.Redirect {
	d := rewrite.Redirect{Status: int(r.RedirectCode), Scheme: r.Scheme, Host: r.Authority, Path: r.Uri}
	if r.PrefixRewrite != "" {
		d.Prefix, d.Path = matchedPrefix(rule.Match), r.PrefixRewrite
	}
	switch p := r.RedirectPort.(type) {
	case *networking.HTTPRedirect_Port:
		d.Port = uint16(p.Port)
	case *networking.HTTPRedirect_DerivePort:
		if p.DerivePort == networking.HTTPRedirect_FROM_REQUEST_PORT {
			d.Port = uint16(rule.Port)
		}
	}
	// The port that goes without saying is left out. Plain text is what a sidecar
	// speaks with its process.
	secure := d.Scheme == "https" || d.Scheme == "" && rule.TLS
	if d.Port == 443 && secure || d.Port == 80 && !secure {
		d.Port = 0
	}
	return d
}

// plainText is what requests match that a host with httpsRedirect sends on. Those that
// a trusted proxy took over TLS are served.
var plainText = []match.Request{{Scheme: match.Exact("http")}}

// toHTTPS sends callers to where they are, over TLS. As with Envoy the host stays as
// it was sent, with its port.
type toHTTPS struct{}

// RoundTrip implements http.RoundTripper.
func (toHTTPS) RoundTrip(r *http.Request) (*http.Response, error) {
	v := match.ViewOf(r)
	to := http.Header{"Location": {"https://" + v.Host() + v.Target()}}
	return rewrite.Reply{Status: http.StatusMovedPermanently, Header: to}.RoundTrip(r)
}

// cors is the rule's layer for pages of other origins, or nil.
func cors(rule *plan.Rule) (layer, error) {
	p := rule.Route.GetCorsPolicy()
	if p == nil {
		return nil, nil
	}
	c := rewrite.CORSConfig{
		Methods: p.AllowMethods, Headers: p.AllowHeaders, Expose: p.ExposeHeaders,
		MaxAge: p.MaxAge.AsDuration(), Credentials: p.AllowCredentials.GetValue(),
		RefuseUnmatched: p.UnmatchedPreflights == networking.CorsPolicy_IGNORE,
	}
	for _, o := range p.AllowOrigins {
		c.Origins = append(c.Origins, valueOf(o))
	}
	if len(p.AllowOrigins) == 0 {
		for _, o := range p.AllowOrigin {
			c.Origins = append(c.Origins, valueOf(&networking.StringMatch{MatchType: &networking.StringMatch_Exact{Exact: o}}))
		}
	}
	k, err := rewrite.NewCORS(c)
	if err != nil {
		return nil, err
	}
	return k.Transport, nil
}
