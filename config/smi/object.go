package smi

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

const (
	splitGroup = "split.smi-spec.io"
	specsGroup = "specs.smi-spec.io"
)

// misspelt are the groups as tutorials write them.
var misspelt = map[string]string{"split.smi-specs.io": splitGroup, "specs.smi-specs.io": specsGroup}

var versions = []string{"v1alpha1", "v1alpha2", "v1alpha3", "v1alpha4"}

// object reads one object.
func (l *loader) object(doc manifest.Document, node *yaml.Node) {
	o := &object{loader: l, file: doc.File, base: doc.Line, node: node, key: "object"}
	o.Reader = manifest.NewReader(doc, func(p *manifest.Path, _ *yaml.Node, reason string) { o.add(CodeMalformed, p, nil, "%s", reason) })
	all := o.Mapping(nil, node)
	apiVersion, kind := o.Text(nil, all, "apiVersion"), o.Text(nil, all, "kind")
	group, version, _ := strings.Cut(apiVersion, "/")
	o.key = cmp.Or(kind, "object")
	switch {
	case apiVersion == "":
		o.add(CodeAPIVersion, manifest.Top("apiVersion"), nil, "is missing")
		return
	case kind == "":
		o.add(CodeKind, manifest.Top("kind"), nil, "is missing")
		return
	}
	want := ""
	switch kind {
	case "TrafficSplit":
		want = splitGroup
	case "HTTPRouteGroup":
		want = specsGroup
	default:
		o.otherKind(group, kind)
		return
	}
	o.version = version
	o.apiVersion(group, want)
	o.meta = o.Metadata(all, func(name, namespace string) {
		o.key = kind + " " + cmp.Or(namespace, "default") + "/" + name
	})
	o.meta.Namespace = cmp.Or(o.meta.Namespace, "default")
	if o.meta.Name == "" {
		o.add(CodeName, manifest.Top("metadata").Field("name"), nil, "is missing")
	} else if l.keys[o.key] {
		o.add(CodeDuplicate, nil, nil, "there is another one of this name")
	}
	l.keys[o.key] = true
	if kind == "TrafficSplit" {
		o.trafficSplit(all)
	} else {
		o.routeGroup(all)
	}
}

// apiVersion checks group and version of a kind that is read.
func (o *object) apiVersion(group, want string) {
	p := manifest.Top("apiVersion")
	switch {
	case group == want:
	case misspelt[group] == want && !o.Strict:
		o.warn(CodeAPIVersion, p, group, "the group is %s, and a cluster knows no other", want)
	default:
		o.add(CodeAPIVersion, p, group, "this kind is of the group %s", want)
		return
	}
	if !slices.Contains(versions, o.version) {
		o.add(CodeAPIVersion, p, o.version, "there is no such version; there are %s", manifest.List(versions, "and"))
	}
}

// otherKind passes over a kind that is not read.
func (o *object) otherKind(group, kind string) {
	if !strings.HasSuffix(group, ".smi-spec.io") {
		return
	}
	switch kind {
	case "TCPRoute", "UDPRoute", "TrafficMetrics":
	case "TrafficTarget", "IdentityBinding":
		o.warn(CodeKind, manifest.Top("kind"), kind, "is passed over: access is enforced by the server, and not by this package")
	default:
		o.add(CodeKind, manifest.Top("kind"), kind, "there is no such kind%s", manifest.DidYouMean(manifest.Nearest(kind, []string{"TrafficSplit", "HTTPRouteGroup"})))
	}
}

// serviceName is the name of a service in the object's namespace without what may
// be written behind it: "web.shop.svc.cluster.local" is "web".
func (o *object) serviceName(code Code, p *manifest.Path, written string) string {
	name, rest, qualified := strings.Cut(written, ".")
	namespace, domain, _ := strings.Cut(rest, ".")
	switch {
	case written == "":
		o.add(code, p, nil, "is missing")
	case !isLabel(name), qualified && !isLabel(namespace), domain != "" && domain != "svc" && !strings.HasPrefix(domain, "svc."):
		o.add(code, p, written, "is no name of a service: write NAME, NAME.NAMESPACE or NAME.NAMESPACE.svc.cluster.local")
	case qualified && namespace != o.meta.Namespace:
		o.add(CodeCrossNamespace, p, written, "must be in the object's own namespace, %s", o.meta.Namespace)
	default:
		return name
	}
	return ""
}

// isLabel tells whether s is a label of a DNS name (RFC 1123).
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
