package istio

import (
	"errors"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	meshconfig "istio.io/api/mesh/v1alpha1"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// An unsupported is a field that is right in Istio and that a client does not
// carry out.
type unsupported struct {
	field  string // its name in YAML
	reason string // why not, or what to write in its place

	// when tells for which messages that have the field this is so; nil is for all.
	when func(protoreflect.Message) bool
}

// notCarriedOut are all of them, by message. A document that has one is read, for
// those who analyze it; a client of it is refused.
var notCarriedOut = map[protoreflect.FullName][]unsupported{
	"istio.networking.v1alpha3.VirtualService": {
		{field: "tls", reason: "a client sends HTTP requests, which rules for TLS connections do not see; write http rules"},
		{field: "tcp", reason: "a client sends HTTP requests, which rules for TCP connections do not see; write http rules"},
	},
	"istio.networking.v1alpha3.HTTPMatchRequest": {
		{field: "statPrefix", reason: "there are no statistics of a match; name the rule"},
	},
	"istio.networking.v1alpha3.TrafficPolicy": {
		{field: "tunnel", reason: "connections go to endpoints directly; make tunnels with a Dial function"},
		{field: "proxyProtocol", reason: "a client has no connection of its caller's to tell of; write the header with a Dial function"},
	},
	"istio.networking.v1alpha3.TrafficPolicy.RetryBudget": {
		{field: "budgetInterval", reason: "a budget is a share of the requests under way", when: positive("budgetInterval")},
	},
	"istio.networking.v1alpha3.LoadBalancerSettings": {
		{field: "simple", reason: "inside of a process a request has no original address to go to", when: isPassthrough},
		{field: "zoneAwareLbSetting", reason: "a client does not know where its like are; write localityLbSetting"},
	},
	"istio.networking.v1alpha3.ConnectionPoolSettings.HTTPSettings": {
		{field: "useClientProtocol", reason: "a client has no connection of its caller's; write h2UpgradePolicy"},
	},
	"istio.networking.v1alpha3.OutlierDetection": {
		{field: "outlierDetectionHttpErrorCodes", reason: "errors are the statuses from 500 on"},
	},
	"istio.networking.v1alpha3.ClientTLSSettings": {
		{field: "credentialName", reason: "a client has no source of secrets; name files with clientCertificate, privateKey and caCertificates"},
	},
	"istio.networking.v1alpha3.ServiceEntry": {
		{field: "resolution", reason: "hosts are looked up before they are asked for; name them", when: isDynamic},
		{field: "hosts", reason: "without a resolution a host with a wildcard has no address to go to; write STATIC or DNS and endpoints", when: isWildUnresolved},
	},
	"istio.networking.v1alpha3.WorkloadEntry": {
		{field: "address", reason: "sockets in the file system are not dialled; write an address, or make a Dial function that leads there", when: isSocket},
		{field: "network", reason: "a workload without an address is behind the gateway of its network, which a client does not know", when: hasNoAddress},
	},
	"istio.mesh.v1alpha1.MeshConfig": {
		{field: "zoneAwareLbSetting", reason: "a client does not know where its like are; write localityLbSetting"},
		{field: "enableAutoMtls", reason: "a client does not find out which endpoints speak the mesh's TLS; write the tls mode ISTIO_MUTUAL in a DestinationRule", when: isAuto},
		{field: "outboundTrafficPolicy", reason: "connections to unknown hosts are made by ClientConfig.Unknown; set its TLS there, and leave tls out", when: hasOutboundTLS},
		{field: "serviceEntryVisibility", reason: "who sees a ServiceEntry is said by its exportTo; write that, or defaultServiceExportTo", when: isForSidecars},
		{field: "tlsDefaults", reason: "curves and cipher suites are those of Go", when: func(m protoreflect.Message) bool {
			return hasCurvesOrSuites(m.Interface().(*meshconfig.MeshConfig).GetTlsDefaults())
		}},
		{field: "meshMTLS", reason: "curves and cipher suites are those of Go", when: func(m protoreflect.Message) bool {
			return hasCurvesOrSuites(m.Interface().(*meshconfig.MeshConfig).GetMeshMTLS())
		}},
	},
}

func positive(field string) func(protoreflect.Message) bool {
	return func(m protoreflect.Message) bool {
		d := m.Get(m.Descriptor().Fields().ByJSONName(field)).Message()
		fields := d.Descriptor().Fields()
		return d.Get(fields.ByName("seconds")).Int() > 0 || d.Get(fields.ByName("nanos")).Int() > 0
	}
}

func isAuto(m protoreflect.Message) bool {
	return m.Interface().(*meshconfig.MeshConfig).GetEnableAutoMtls().GetValue()
}

func hasOutboundTLS(m protoreflect.Message) bool {
	return m.Interface().(*meshconfig.MeshConfig).GetOutboundTrafficPolicy().GetTls() != nil
}

// isForSidecars tells that not only the proxies of ambient meshes are meant.
func isForSidecars(m protoreflect.Message) bool {
	return m.Interface().(*meshconfig.MeshConfig).GetServiceEntryVisibility().GetApplyToSidecars()
}

// hasCurvesOrSuites leaves out minProtocolVersion, which is for servers.
func hasCurvesOrSuites(c *meshconfig.MeshConfig_TLSConfig) bool {
	return len(c.GetEcdhCurves()) > 0 || len(c.GetCipherSuites()) > 0
}

func isPassthrough(m protoreflect.Message) bool {
	return m.Interface().(*networking.LoadBalancerSettings).GetSimple() == networking.LoadBalancerSettings_PASSTHROUGH
}

func isDynamic(m protoreflect.Message) bool {
	return m.Interface().(*networking.ServiceEntry).Resolution == networking.ServiceEntry_DYNAMIC_DNS
}

func isWildUnresolved(m protoreflect.Message) bool {
	se := m.Interface().(*networking.ServiceEntry)
	if se.Resolution != networking.ServiceEntry_NONE {
		return false
	}
	for _, host := range se.Hosts {
		if isWild(host) {
			return true
		}
	}
	return false
}

func isSocket(m protoreflect.Message) bool {
	return strings.HasPrefix(m.Interface().(*networking.WorkloadEntry).Address, "unix://")
}

func hasNoAddress(m protoreflect.Message) bool {
	return m.Interface().(*networking.WorkloadEntry).Address == ""
}

// unsupported notes the fields of an object that a client does not carry out.
func (c *checker) unsupported() {
	switch spec := c.res.Spec.(type) {
	case *networking.VirtualService:
		if onGatewaysOnly(spec) {
			return // no client's
		}
		c.unsupportedIn(manifest.Top("spec"), spec.ProtoReflect())
	case *networking.DestinationRule:
		c.unsupportedIn(manifest.Top("spec"), spec.ProtoReflect())
	case *networking.ServiceEntry:
		c.unsupportedIn(manifest.Top("spec"), spec.ProtoReflect())
	case *networking.WorkloadEntry:
		c.unsupportedIn(manifest.Top("spec"), spec.ProtoReflect())
	case *meshconfig.MeshConfig:
		c.unsupportedIn(nil, spec.ProtoReflect())
	}
}

func (c *checker) unsupportedIn(p *manifest.Path, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for _, u := range notCarriedOut[m.Descriptor().FullName()] {
		if fd := fields.ByJSONName(u.field); m.Has(fd) && (u.when == nil || u.when(m)) {
			c.add(CodeUnsupported, Warning, below(p, u.field), nil, "is not carried out by clients: %s", u.reason)
		}
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Message() == nil || fd.IsMap() || isWellKnown(fd.Message()) {
			return true
		}
		at := below(p, fd.JSONName())
		if !fd.IsList() {
			c.unsupportedIn(at, v.Message())
			return true
		}
		for i := range v.List().Len() {
			c.unsupportedIn(at.At(i), v.List().Get(i).Message())
		}
		return true
	})
}

// below is the path to a field of the message at p, which is the object itself if
// there is none.
func below(p *manifest.Path, field string) *manifest.Path {
	if p == nil {
		return manifest.Top(field)
	}
	return p.Field(field)
}

// carriedOut is nil if a client can do what every document says, and else says
// all that it cannot.
func (c *Config) carriedOut() error {
	errs := []error{c.Err()}
	for _, f := range c.findings {
		if f.Code == CodeUnsupported && f.Level == Warning && f.Field != "" {
			errs = append(errs, f)
		}
	}
	return errors.Join(errs...)
}
