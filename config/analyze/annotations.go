package analyze

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"istio.io/api/annotation"

	"github.com/sidecarless/mesh/config/istio"
)

// annotations checks those of Istio at Kubernetes' own objects: that there is such a
// one, that it belongs there, and what its value is.
func (a *analysis) annotations(c *istio.Config) {
	known := map[string]*annotation.Instance{}
	for _, one := range annotation.AllResourceAnnotations() {
		known[one.Name] = one
	}
	for r := range c.All() {
		switch r.Kind {
		case "Namespace", "Service", "Pod", "Deployment":
			for _, name := range slices.Sorted(maps.Keys(r.Annotations)) {
				if isIstios(name) {
					a.annotation(r, name, known[name])
				}
			}
		}
	}
}

// isIstios reports whether Istio says what an annotation means.
func isIstios(name string) bool {
	group, _, _ := strings.Cut(name, "/")
	return name == "kubernetes.io/ingress.class" || strings.HasSuffix(group, "istio.io")
}

// Those that controllers write are nobody's mistake.
var ofControllers = []string{annotation.SidecarStatus.Name, annotation.GatewayControllerVersion.Name, annotation.IoIstioRev.Name}

func (a *analysis) annotation(r *istio.Resource, name string, def *annotation.Instance) {
	field := "metadata.annotations." + name
	switch {
	case slices.Contains(ofControllers, name):
		return
	case def == nil:
		a.add("IST0108", istio.Warning, r, field, "Unknown annotation: "+name, "correct its name, or leave it out: nobody reads it")
		return
	}
	if def.Deprecated {
		_, replaced := r.Labels[annotation.SidecarInject.Name]
		extra := ""
		if name == annotation.SidecarInject.Name {
			extra = ` in favor of the "sidecar.istio.io/inject" label`
		}
		if !replaced || extra == "" {
			a.add("IST0135", istio.Info, r, field,
				fmt.Sprintf("Annotation %q has been deprecated%s and may not work in future Istio versions.", name, extra), "write what has taken its place")
		}
	}
	if slices.Contains(def.Resources, annotation.Any) {
		return
	}
	var kinds []string
	for _, k := range def.Resources {
		kinds = append(kinds, k.String())
	}
	if !slices.Contains(kinds, r.Kind) {
		a.add("IST0107", istio.Warning, r, field,
			fmt.Sprintf("Misplaced annotation: %s can only be applied to %s", name, strings.Join(kinds, ", ")), "move it, or in a Deployment to the template of its Pods")
		return
	}
	if check := annotationValues[name]; check != nil {
		if err := check(r.Annotations[name]); err != nil {
			a.add("IST0125", istio.Warning, r, field, fmt.Sprintf("Invalid annotation %s: %v", name, err), "correct the value")
		}
	}
}

// annotationValues check the values of annotations.
var annotationValues = map[string]func(string) error{
	annotation.SidecarInterceptionMode.Name: func(v string) error {
		if v != "REDIRECT" && v != "TPROXY" && v != "NONE" {
			return fmt.Errorf("interceptionMode invalid, use REDIRECT,TPROXY,NONE: %v", v)
		}
		return nil
	},
	annotation.SidecarStatusPort.Name:                         isPort,
	annotation.SidecarStatusReadinessInitialDelaySeconds.Name: isCount,
	annotation.SidecarStatusReadinessPeriodSeconds.Name:       isCount,
	annotation.SidecarStatusReadinessFailureThreshold.Name:    isCount,
	annotation.SidecarTrafficIncludeOutboundIPRanges.Name:     orAll(arePrefixes),
	annotation.SidecarTrafficExcludeOutboundIPRanges.Name:     arePrefixes,
	annotation.SidecarTrafficIncludeInboundPorts.Name:         orAll(arePorts),
	annotation.SidecarTrafficExcludeInboundPorts.Name:         arePorts,
	annotation.SidecarTrafficExcludeOutboundPorts.Name:        arePorts,
	annotation.PrometheusMergeMetrics.Name: func(v string) error {
		_, err := strconv.ParseBool(v)
		return err
	},
}

// orAll is a check that takes a star, too.
func orAll(check func(string) error) func(string) error {
	return func(v string) error {
		if v == "*" {
			return nil
		}
		return check(v)
	}
}

func isCount(v string) error {
	_, err := strconv.ParseUint(v, 10, 32)
	return err
}

func isPort(v string) error {
	if _, err := strconv.ParseUint(strings.TrimSpace(v), 10, 16); err != nil {
		return fmt.Errorf("%q is no port", v)
	}
	return nil
}

func arePorts(v string) error {
	if strings.TrimSpace(v) == "" {
		return nil
	}
	var errs []error
	for port := range strings.SplitSeq(v, ",") {
		errs = append(errs, isPort(port))
	}
	return errors.Join(errs...)
}

func arePrefixes(v string) error {
	if v == "" {
		return nil
	}
	var errs []error
	for prefix := range strings.SplitSeq(v, ",") {
		if _, err := netip.ParsePrefix(prefix); err != nil {
			errs = append(errs, fmt.Errorf("%q is no range of addresses", prefix))
		}
	}
	return errors.Join(errs...)
}
