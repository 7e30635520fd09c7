package telemetry

import (
	"cmp"
	"os"
	"regexp"
	"strings"

	"github.com/sidecarless/mesh"
)

// Names of labels and of resource attributes that say who a workload is.
const (
	labelCanonicalName     = "service.istio.io/canonical-name"
	labelCanonicalRevision = "service.istio.io/canonical-revision"
	labelWorkloadName      = "service.istio.io/workload-name"
	labelAppName           = "app.kubernetes.io/name"
	labelAppVersion        = "app.kubernetes.io/version"
	labelApp               = "app"
	labelVersion           = "version"
	labelCluster           = "topology.istio.io/cluster"
)

// replicaSuffix is what Kubernetes appends to a Deployment's name for its pods: the
// hash of the ReplicaSet's template and five random letters.
var replicaSuffix = regexp.MustCompile(`-[bcdf-hj-np-tv-z2-9]{5,10}-[bcdf-hj-np-tv-z2-9]{5}$`)

// FromEnvironment is who the process is, as far as its environment tells:
// OTEL_RESOURCE_ATTRIBUTES with the names of OpenTelemetry's conventions,
// OTEL_SERVICE_NAME, POD_NAME, POD_NAMESPACE and HOSTNAME. What it does not tell is as
// [WithDefaults] has it.
func FromEnvironment() mesh.Workload { return WithDefaults(fromEnvironment(os.Getenv)) }

func fromEnvironment(env func(string) string) mesh.Workload {
	attributes := map[string]string{}
	for pair := range strings.SplitSeq(env("OTEL_RESOURCE_ATTRIBUTES"), ",") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			attributes[strings.TrimSpace(k)] = strings.TrimSpace(v)
		}
	}
	w := fromAttributes(attributes)
	w.Instance = cmp.Or(w.Instance, env("POD_NAME"), env("HOSTNAME"))
	w.Name = cmp.Or(w.Name, replicaSuffix.ReplaceAllString(w.Instance, ""))
	w.Namespace = cmp.Or(w.Namespace, env("POD_NAMESPACE"))
	w.App = cmp.Or(env("OTEL_SERVICE_NAME"), w.App)
	return w
}

// WithDefaults is w without the gaps that would keep a dashboard from showing it:
// the namespace is default, the cluster Kubernetes, the canonical service is the app
// or else the workload, its revision the version or else latest.
func WithDefaults(w mesh.Workload) mesh.Workload {
	w.Name = cmp.Or(w.Name, w.App, unknown)
	w.Namespace = cmp.Or(w.Namespace, "default")
	w.Cluster = cmp.Or(w.Cluster, "Kubernetes")
	w.CanonicalService = cmp.Or(w.CanonicalService, w.App, w.Name)
	w.CanonicalRevision = cmp.Or(w.CanonicalRevision, w.Version, latest)
	return w
}

// What metrics say for what is not known.
const (
	unknown = "unknown"
	latest  = "latest"
)

// FromLabels is what the labels of a pod or of an endpoint tell of a workload.
func FromLabels(labels map[string]string) mesh.Workload {
	w := mesh.Workload{
		Name:              labels[labelWorkloadName],
		App:               cmp.Or(labels[labelAppName], labels[labelApp]),
		Version:           cmp.Or(labels[labelAppVersion], labels[labelVersion]),
		CanonicalService:  labels[labelCanonicalName],
		CanonicalRevision: labels[labelCanonicalRevision],
		Cluster:           labels[labelCluster],
	}
	w.CanonicalService = cmp.Or(w.CanonicalService, w.App)
	w.CanonicalRevision = cmp.Or(w.CanonicalRevision, w.Version)
	return w
}

// fromAttributes is what resource attributes of OpenTelemetry tell of a workload, as
// Istio reads them from baggage.
func fromAttributes(a map[string]string) mesh.Workload {
	w := mesh.Workload{
		Name:      cmp.Or(a["k8s.deployment.name"], a["k8s.job.name"], a["k8s.cronjob.name"], a["k8s.pod.name"]),
		Namespace: a["k8s.namespace.name"], Cluster: a["k8s.cluster.name"],
		Instance:         cmp.Or(a["k8s.pod.name"], a["k8s.instance.name"]),
		App:              cmp.Or(a["app.name"], a["service.name"]),
		Version:          cmp.Or(a["app.version"], a["service.version"]),
		CanonicalService: a["service.name"], CanonicalRevision: a["service.version"],
	}
	return w
}
