package istio

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/sidecarless/mesh/config/internal/kube"
	"github.com/sidecarless/mesh/config/internal/manifest"
)

// A kind is one that this package knows by name.
type kind struct {
	group    string
	versions []string

	// How an object of it is read: as a message of Istio's API, or by a function of
	// its own. Neither: the object is passed over.
	message func() proto.Message
	check   func(*checker)
	read    func(*decoder, *manifest.Mapping) any

	// What is said of an object that is passed over, or read in part.
	note  string
	code  string
	level Level
}

// istioKind is a kind of Istio's API with its checks.
func istioKind[T proto.Message](group string, versions []string, check func(*checker, T)) kind {
	var zero T
	typ := zero.ProtoReflect().Type()
	return kind{
		group: group, versions: versions,
		message: func() proto.Message { return typ.New().Interface() },
		check:   func(c *checker) { check(c, c.res.Spec.(T)) },
	}
}

// kubernetes is one of Kubernetes' own kinds.
func kubernetes[T any](group string, read func(*kube.Object) *T, versions ...string) kind {
	return kind{group: group, versions: versions, read: func(d *decoder, all *manifest.Mapping) any { return read(d.kube(all)) }}
}

// global is one of Kubernetes' own kinds whose objects are in no namespace.
func global[T any](group string, read func(*kube.Object) *T, versions ...string) kind {
	return kind{group: group, versions: versions, read: func(d *decoder, all *manifest.Mapping) any {
		d.res.Namespace = ""
		return read(d.kube(all))
	}}
}

// passedOver is a kind that is not read.
func passedOver(group string, versions []string, code string, level Level, note string) kind {
	return kind{group: group, versions: versions, code: code, level: level, note: note}
}

const (
	networkingGroup = "networking.istio.io"
	securityGroup   = "security.istio.io"
	extensionsGroup = "extensions.istio.io"
	telemetryGroup  = "telemetry.istio.io"
	meshGroup       = "mesh.istio.io"
	ownGroup        = "mesh.sidecarless.dev" // of kinds that are this library's own
)

var (
	networkingVersions = []string{"v1", "v1beta1", "v1alpha3"}
	securityVersions   = []string{"v1", "v1beta1"}
	alphaVersion       = []string{"v1alpha1"}
)

const notInProcess = "changes a proxy in ways that this library cannot carry out"

// kinds are the kinds known, by name. Those of other groups are skipped with a
// note, whatever they are called.
var kinds = map[string]kind{
	"VirtualService":  istioKind(networkingGroup, networkingVersions, checkVirtualService),
	"DestinationRule": istioKind(networkingGroup, networkingVersions, checkDestinationRule),
	"ServiceEntry":    istioKind(networkingGroup, networkingVersions, checkServiceEntry),
	"WorkloadEntry":   istioKind(networkingGroup, networkingVersions, checkWorkloadEntry),
	"Gateway":         istioKind(networkingGroup, networkingVersions, checkGateway),
	"Sidecar":         sidecarKind(),

	"PeerAuthentication":    istioKind(securityGroup, securityVersions, checkPeerAuthentication),
	"AuthorizationPolicy":   istioKind(securityGroup, securityVersions, checkAuthorizationPolicy),
	"RequestAuthentication": istioKind(securityGroup, securityVersions, checkRequestAuthentication),

	"MeshConfig": istioKind(meshGroup, alphaVersion, checkMeshConfig),

	"RateLimit": {group: ownGroup, versions: alphaVersion, read: readRateLimit},

	"EnvoyFilter":      passedOver(networkingGroup, []string{"v1alpha3"}, CodeUnsupported, Error, notInProcess+"; a local rate limit can be written as a RateLimit of "+ownGroup),
	"ProxyConfig":      passedOver(networkingGroup, []string{"v1beta1", "v1"}, CodeUnsupported, Error, notInProcess),
	"WasmPlugin":       passedOver(extensionsGroup, alphaVersion, CodeUnsupported, Error, notInProcess),
	"TrafficExtension": passedOver(extensionsGroup, alphaVersion, CodeUnsupported, Error, notInProcess),
	"Telemetry":        passedOver(telemetryGroup, []string{"v1", "v1alpha1"}, CodeSkipped, Warning, "is skipped: telemetry is configured in Go"),
	"WorkloadGroup":    passedOver(networkingGroup, networkingVersions, CodeSkipped, Info, "is skipped: it only serves to register workloads"),

	"Service":       kubernetes("", kube.ReadService, "v1"),
	"EndpointSlice": kubernetes("discovery.k8s.io", kube.ReadEndpointSlice, "v1", "v1beta1"),
	"Pod":           kubernetes("", kube.ReadPod, "v1"),
	"Deployment":    kubernetes("apps", kube.ReadWorkload, "v1"),
	"StatefulSet":   kubernetes("apps", kube.ReadWorkload, "v1"),
	"DaemonSet":     kubernetes("apps", kube.ReadWorkload, "v1"),
	"ReplicaSet":    kubernetes("apps", kube.ReadWorkload, "v1"),
	"Secret":        kubernetes("", kube.ReadSecret, "v1"),
	"ConfigMap":     kubernetes("", kube.ReadConfigMap, "v1"),
	"Namespace":     global("", kube.ReadNamespace, "v1"),
	"Node":          global("", kube.ReadNode, "v1"),

	"CustomResourceDefinition": global("apiextensions.k8s.io", kube.ReadDefinition, "v1", "v1beta1"),
}

// sidecarKind is read for its outboundTrafficPolicy alone.
func sidecarKind() kind {
	k := istioKind(networkingGroup, networkingVersions, checkSidecar)
	k.code, k.level, k.note = CodeSkipped, Warning, "is read for its outboundTrafficPolicy only: in a process there are no listeners to scope"
	return k
}

// isMeshConfig tells that the fields stand at the top of the document.
func (k *kind) isMeshConfig() bool { return k.group == meshGroup }

// kindFor finds the kind of a document. If it is none that is known, the
// reason says what to do about that, and the level how bad it is.
func kindFor(apiVersion, name string) (k kind, reason string, level Level) {
	group, version, grouped := strings.Cut(apiVersion, "/")
	if !grouped {
		group, version = "", apiVersion
	}
	k, known := kinds[name]
	switch {
	case known && k.group == group && slices.Contains(k.versions, version):
		return k, "", ""
	case known && k.group == group:
		return kind{}, "apiVersion: there is no version " + version + " of this kind; there are " + manifest.List(k.versions, "and"), Error
	case isIstioGroup(group), group == ownGroup:
		if known {
			return kind{}, "apiVersion: this kind is of the group " + groupName(k.group) + ", not " + group, Error
		}
		return kind{}, "kind: there is no such kind in " + group + manifest.DidYouMean(manifest.Nearest(name, namesIn(group))), Error
	case known && group == "" && isIstioGroup(k.group):
		return kind{}, "apiVersion: this kind is of the group " + groupName(k.group) + "; write " + k.group + "/" + k.versions[0], Error
	}
	switch { // what others of our packages carry out is better not overlooked
	case strings.HasPrefix(group, "gateway.networking."):
		return kind{}, "is skipped: package config/gatewayapi carries it out, with a client or a gateway of its own", Warning
	case strings.HasSuffix(group, ".smi-spec.io"):
		return kind{}, "is skipped: package config/smi carries it out, with a client of its own", Warning
	}
	return kind{}, "is skipped: this kind is not read", Info
}

func isIstioGroup(group string) bool { return strings.HasSuffix(group, ".istio.io") }

func groupName(group string) string {
	if group == "" {
		return "of Kubernetes itself"
	}
	return group
}

// namesIn are the names of the kinds in a group.
func namesIn(group string) []string {
	var names []string
	for name, k := range kinds {
		if k.group == group {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
