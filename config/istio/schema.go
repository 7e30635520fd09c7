package istio

import (
	"fmt"
	"regexp"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// A fieldLimit is what the schema of a kind asks of a field beyond its type. Zero
// members ask nothing.
type fieldLimit struct {
	field     string // its name in YAML
	required  bool
	minItems  int // of a list or map
	maxItems  int
	minLength int // of a text, of each item of a list, or of each value of a map
	maxLength int
	pattern   *regexp.Regexp // of the same
	least     int64          // of a number, or of each item of a list
	most      int64
}

var (
	groupForm     = regexp.MustCompile(`^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	kindForm      = regexp.MustCompile(`^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$`)
	plainNameForm = regexp.MustCompile(`^[-_A-Za-z0-9]+$`)
	needsTarget   = []fieldLimit{{field: "destination", required: true}}
)

// limits are those of Istio's schemas, by message. Durations, hosts and ports
// are left to the checks of each kind, which ask more of them.
var limits = map[protoreflect.FullName][]fieldLimit{
	"istio.networking.v1alpha3.Destination":          {{field: "host", required: true}},
	"istio.networking.v1alpha3.HTTPRouteDestination": needsTarget,
	"istio.networking.v1alpha3.RouteDestination":     needsTarget,
	"istio.networking.v1alpha3.HTTPMirrorPolicy":     needsTarget,
	"istio.networking.v1alpha3.HTTPDirectResponse":   {{field: "status", required: true}},
	"istio.networking.v1alpha3.TLSRoute":             {{field: "match", required: true}},
	"istio.networking.v1alpha3.TLSMatchAttributes":   {{field: "sniHosts", required: true}},

	"istio.networking.v1alpha3.DestinationRule":                                            {{field: "host", required: true}},
	"istio.networking.v1alpha3.Subset":                                                     {{field: "name", required: true}},
	"istio.networking.v1alpha3.TrafficPolicy":                                              {{field: "portLevelSettings", maxItems: 4096}},
	"istio.networking.v1alpha3.TrafficPolicy.TunnelSettings":                               {{field: "targetHost", required: true}, {field: "targetPort", required: true}},
	"istio.networking.v1alpha3.TrafficPolicy.RetryBudget":                                  {{field: "percent", most: 100}},
	"istio.networking.v1alpha3.OutlierDetection":                                           {{field: "outlierDetectionHttpErrorCodes", least: 100, most: 599}},
	"istio.networking.v1alpha3.WarmupConfiguration":                                        {{field: "duration", required: true}, {field: "minimumPercent", most: 100}},
	"istio.networking.v1alpha3.ZoneAwareLoadBalancerSetting":                               {{field: "minClusterSize", least: 1}},
	"istio.networking.v1alpha3.LoadBalancerSettings.ConsistentHashLB.HTTPCookie":           {{field: "name", required: true}},
	"istio.networking.v1alpha3.LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute": {{field: "name", required: true}},

	"istio.networking.v1alpha3.ServiceEntry": {
		{field: "hosts", required: true, minItems: 1, maxItems: 256},
		{field: "addresses", maxItems: 256, maxLength: 64},
		{field: "ports", maxItems: 256},
		{field: "endpoints", maxItems: 4096},
	},
	"istio.networking.v1alpha3.ServicePort": {
		{field: "number", required: true},
		{field: "name", required: true, maxLength: 256},
		{field: "protocol", maxLength: 256},
		{field: "targetPort", least: 1},
	},
	"istio.networking.v1alpha3.WorkloadEntry": {
		{field: "address", maxLength: 256},
		{field: "ports", maxItems: 128},
		{field: "labels", maxItems: 256},
		{field: "network", maxLength: 2048},
		{field: "locality", maxLength: 2048},
		{field: "serviceAccount", maxLength: 253},
	},
	"istio.networking.v1alpha3.WorkloadSelector": {{field: "labels", maxItems: 256, maxLength: 63}},

	"istio.networking.v1alpha3.Server": {{field: "port", required: true}, {field: "hosts", required: true}},
	"istio.networking.v1alpha3.Port":   {{field: "number", required: true}, {field: "protocol", required: true}, {field: "name", required: true}},
	"istio.networking.v1alpha3.ServerTLSSettings": {
		{field: "credentialNames", minItems: 1, maxItems: 2},
		{field: "tlsCertificates", minItems: 1, maxItems: 2},
	},
	"istio.networking.v1alpha3.IstioEgressListener":  {{field: "hosts", required: true}},
	"istio.networking.v1alpha3.IstioIngressListener": {{field: "port", required: true}},

	"istio.type.v1beta1.WorkloadSelector": {{field: "matchLabels", maxItems: 4096, maxLength: 63}},
	"istio.type.v1beta1.PolicyTargetReference": {
		{field: "group", maxLength: 253, pattern: groupForm},
		{field: "kind", required: true, minLength: 1, maxLength: 63, pattern: kindForm},
		{field: "name", required: true, minLength: 1, maxLength: 253},
	},
	"istio.security.v1beta1.AuthorizationPolicy": {{field: "rules", maxItems: 512}, {field: "targetRefs", maxItems: 16}},
	"istio.security.v1beta1.Rule":                {{field: "from", maxItems: 512}},
	"istio.security.v1beta1.Source":              {{field: "serviceAccounts", maxItems: 16, maxLength: 320}, {field: "notServiceAccounts", maxItems: 16, maxLength: 320}},
	"istio.security.v1beta1.Condition":           {{field: "key", required: true}},
	"istio.security.v1beta1.PeerAuthentication":  {{field: "portLevelMtls", minItems: 1}},

	"istio.security.v1beta1.RequestAuthentication": {{field: "jwtRules", maxItems: 4096}, {field: "targetRefs", maxItems: 16}},
	"istio.security.v1beta1.JWTRule": {
		{field: "issuer", minLength: 1},
		{field: "audiences", minLength: 1},
		{field: "jwksUri", minLength: 1, maxLength: 2048},
		{field: "fromParams", minLength: 1},
		{field: "fromCookies", minLength: 1},
		{field: "spaceDelimitedClaims", minLength: 1, maxItems: 64},
	},
	"istio.security.v1beta1.JWTHeader":     {{field: "name", required: true, minLength: 1}},
	"istio.security.v1beta1.ClaimToHeader": {{field: "header", required: true, minLength: 1, pattern: plainNameForm}, {field: "claim", required: true, minLength: 1}},
}

// together names fields of which at most one may be written down, even empty.
var together = map[protoreflect.FullName][][]string{
	"istio.networking.v1alpha3.ServiceEntry":       {{"workloadSelector", "endpoints"}},
	"istio.networking.v1alpha3.ServerTLSSettings":  {{"credentialName", "credentialNames"}, {"credentialNames", "tlsCertificates"}},
	"istio.security.v1beta1.AuthorizationPolicy":   {{"selector", "targetRef", "targetRefs"}},
	"istio.security.v1beta1.RequestAuthentication": {{"selector", "targetRef", "targetRefs"}},
	"istio.security.v1beta1.JWTRule":               {{"jwks", "jwksUri", "jwks_uri"}},
	"istio.security.v1beta1.Source": {
		{"serviceAccounts", "principals"}, {"serviceAccounts", "notPrincipals"},
		{"serviceAccounts", "namespaces"}, {"serviceAccounts", "notNamespaces"},
		{"notServiceAccounts", "principals"}, {"notServiceAccounts", "notPrincipals"},
		{"notServiceAccounts", "namespaces"}, {"notServiceAccounts", "notNamespaces"},
	},
}

// neverEmpty names lists that, written down without items, would be taken for
// absent, which opens what their author may mean to close.
var neverEmpty = map[protoreflect.FullName][]string{
	"istio.security.v1beta1.Rule": {"from", "to", "when"},
}

// schema checks a message that was read against the limits of its schema.
func (d *decoder) schema(p *manifest.Path, entries *manifest.Mapping, m protoreflect.Message) {
	desc := m.Descriptor()
	for _, l := range limits[desc.FullName()] {
		fd := desc.Fields().ByJSONName(l.field)
		at := p.Field(l.field)
		if entries.Get(l.field) == nil && entries.Get(string(fd.Name())) == nil {
			if l.required {
				d.refuse(at, nil, "is missing")
				d.unread = append(d.unread, at.String())
			}
			continue
		}
		d.limit(at, l, fd, m.Get(fd))
	}
	for _, name := range neverEmpty[desc.FullName()] {
		if fd := desc.Fields().ByJSONName(name); entries.Get(name) != nil && m.Get(fd).List().Len() == 0 {
			d.pointless(p.Field(name), nil, "is an empty list, which Istio takes for none, so for everything; leave it out if that is meant")
		}
	}
	for _, group := range together[desc.FullName()] {
		var first string
		for _, name := range group {
			switch {
			case entries.Get(name) == nil:
			case first == "":
				first = name
			default:
				d.refuse(p.Field(name), nil, "cannot stand beside %s", first)
				d.unread = append(d.unread, p.Field(name).String())
			}
		}
	}
}

func (d *decoder) limit(p *manifest.Path, l fieldLimit, fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch {
	case fd.IsList():
		d.size(p, l, v.List().Len())
		for i := range v.List().Len() {
			d.one(p.At(i), l, v.List().Get(i))
		}
	case fd.IsMap():
		d.size(p, l, v.Map().Len())
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			d.one(p.Key(k.String()), l, v)
			return true
		})
	default:
		d.one(p, l, v)
	}
}

func (d *decoder) size(p *manifest.Path, l fieldLimit, n int) {
	switch {
	case n < l.minItems:
		d.refuse(p, nil, "needs at least %d %s", l.minItems, plural(l.minItems, "entry", "entries"))
	case l.maxItems > 0 && n > l.maxItems:
		d.refuse(p, nil, "has %d entries, and at most %d are allowed", n, l.maxItems)
	}
}

func (d *decoder) one(p *manifest.Path, l fieldLimit, v protoreflect.Value) {
	switch v := v.Interface().(type) {
	case string:
		n := utf8.RuneCountInString(v)
		switch {
		case n < l.minLength:
			d.refuse(p, v, "must not be empty")
		case l.maxLength > 0 && n > l.maxLength:
			d.refuse(p, nil, "is %d characters long, and at most %d are allowed", n, l.maxLength)
		case l.pattern != nil && !l.pattern.MatchString(v):
			d.refuse(p, v, "must have the form %s", l.pattern)
		}
	case uint32:
		d.bounds(p, l, float64(v))
	case protoreflect.Message:
		if isWellKnown(v.Descriptor()) && v.IsValid() && (l.least != 0 || l.most != 0) {
			d.one(p, l, v.Get(v.Descriptor().Fields().ByName("value")))
		}
	case float64:
		d.bounds(p, l, v)
	}
}

func (d *decoder) bounds(p *manifest.Path, l fieldLimit, v float64) {
	switch {
	case v < float64(l.least):
		d.refuse(p, bare(fmt.Sprint(v)), "must be at least %d", l.least)
	case l.most > 0 && v > float64(l.most):
		d.refuse(p, bare(fmt.Sprint(v)), "must be at most %d", l.most)
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
