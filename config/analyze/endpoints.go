package analyze

import (
	"fmt"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/istio"
)

// endpointsOf are the endpoints that documents give a host, and whether they
// are all there are: DNS and Kubernetes know more than documents.
func (a *analysis) endpointsOf(host string) (all []*networking.WorkloadEntry, complete bool) {
	for _, se := range a.entries {
		if !a.hasHost(se, host) {
			continue
		}
		if se.Spec.Resolution != networking.ServiceEntry_STATIC {
			return nil, false
		}
		complete = true
		all = append(all, se.Spec.Endpoints...)
		if se.Spec.WorkloadSelector == nil {
			continue
		}
		if a.kubernetes {
			return nil, false // Pods can be selected too
		}
		for _, w := range a.workloads {
			if w.Namespace == se.Namespace && selects(se.Spec.WorkloadSelector.Labels, w.Spec.Labels) {
				all = append(all, w.Spec)
			}
		}
	}
	return all, complete
}

func (a *analysis) hasHost(se istio.Object[*networking.ServiceEntry], host string) bool {
	for _, h := range se.Spec.Hosts {
		if fqdn(h, se.Namespace) == host {
			return true
		}
	}
	return false
}

// emptySubsets looks for subsets that no endpoint in the documents belongs to.
func (a *analysis) emptySubsets() {
	for _, dr := range a.rules {
		endpoints, complete := a.endpointsOf(fqdn(dr.Spec.Host, dr.Namespace))
		if !complete {
			continue
		}
		for i, s := range dr.Spec.Subsets {
			some := false
			for _, e := range endpoints {
				some = some || selects(s.Labels, placed(e))
			}
			if !some {
				a.add(CodeEmptySubset, istio.Warning, dr.Resource, fmt.Sprintf("spec.subsets[%d].labels", i),
					fmt.Sprintf("no endpoint of %s has the labels %s of subset %s: requests to it get 503", dr.Spec.Host, written(s.Labels), s.Name),
					"correct the labels of the subset or of the endpoints")
			}
		}
	}
}

// placed are the labels of an endpoint and those that its locality gives it.
func placed(e *networking.WorkloadEntry) map[string]string {
	labels := map[string]string{}
	for k, v := range e.Labels {
		labels[k] = v
	}
	names := []string{"topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"}
	for i, part := range strings.SplitN(e.Locality, "/", 3) {
		if part != "" {
			labels[names[i]] = part
		}
	}
	if e.Network != "" {
		labels["topology.istio.io/network"] = e.Network
	}
	return labels
}

// ejection looks for outlier detection that can never eject an endpoint.
func (a *analysis) ejection() {
	for _, dr := range a.rules {
		endpoints, complete := a.endpointsOf(fqdn(dr.Spec.Host, dr.Namespace))
		if !complete {
			endpoints = nil
		}
		a.ejects(dr.Resource, "spec.trafficPolicy", dr.Spec.GetTrafficPolicy().GetOutlierDetection(), len(endpoints))
		for i, s := range dr.Spec.Subsets {
			n := 0
			for _, e := range endpoints {
				if selects(s.Labels, placed(e)) {
					n++
				}
			}
			a.ejects(dr.Resource, fmt.Sprintf("spec.subsets[%d].trafficPolicy", i), s.GetTrafficPolicy().GetOutlierDetection(), n)
		}
	}
}

// ejects looks at one setting for a number of endpoints, 0 if that is not known.
func (a *analysis) ejects(res *istio.Resource, field string, o *networking.OutlierDetection, endpoints int) {
	if o == nil {
		return
	}
	field += ".outlierDetection"
	fives := o.Consecutive_5XxErrors == nil || o.Consecutive_5XxErrors.Value > 0
	gateway := o.ConsecutiveGatewayErrors.GetValue() > 0
	local := o.SplitExternalLocalOriginErrors && o.ConsecutiveLocalOriginFailures.GetValue() > 0
	if !fives && !gateway && !local {
		a.add(CodeNeverEjects, istio.Warning, res, field, "ejects nothing: consecutive5xxErrors is 0 and no other detector is on", "give one detector a count, or leave outlierDetection out")
		return
	}
	percent := o.MaxEjectionPercent
	if percent == 0 {
		percent = 10
	}
	if endpoints > 0 && endpoints*int(percent) < 100 {
		a.add(CodeNeverEjects, istio.Warning, res, field,
			fmt.Sprintf("ejects nothing: maxEjectionPercent %d of %d %s is less than one", percent, endpoints, plural(endpoints, "endpoint", "endpoints")),
			fmt.Sprintf("raise maxEjectionPercent to at least %d", (100+endpoints-1)/endpoints))
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// droppedBlocks looks for policies of ports and subsets that replace a wider
// policy's block, and so drop what stood in it.
func (a *analysis) droppedBlocks() {
	for _, dr := range a.rules {
		policy := dr.Spec.GetTrafficPolicy()
		a.droppedByPorts(dr.Resource, "spec.trafficPolicy", policy, policy)
		for i, s := range dr.Spec.Subsets {
			field := fmt.Sprintf("spec.subsets[%d].trafficPolicy", i)
			a.droppedByPorts(dr.Resource, field, s.TrafficPolicy, merged(policy, s.TrafficPolicy))
			if policy.GetLoadBalancer().GetLocalityLbSetting() != nil && s.GetTrafficPolicy().GetLoadBalancer() != nil && s.TrafficPolicy.LoadBalancer.LocalityLbSetting == nil {
				a.add(CodeDroppedBlock, istio.Warning, dr.Resource, field+".loadBalancer",
					fmt.Sprintf("subset %s replaces the whole loadBalancer, so the localityLbSetting above it does not apply here", s.Name), "repeat localityLbSetting in the subset")
			}
		}
	}
}

// merged is the policy of a subset: its own blocks over those of the rule.
func merged(wide, narrow *networking.TrafficPolicy) *networking.TrafficPolicy {
	return &networking.TrafficPolicy{
		LoadBalancer:     either(narrow.GetLoadBalancer(), wide.GetLoadBalancer()),
		ConnectionPool:   either(narrow.GetConnectionPool(), wide.GetConnectionPool()),
		OutlierDetection: either(narrow.GetOutlierDetection(), wide.GetOutlierDetection()),
		Tls:              either(narrow.GetTls(), wide.GetTls()),
	}
}

func either[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// droppedByPorts looks for blocks that a port's entry lacks and the policy
// around it has: they fall back to defaults.
func (a *analysis) droppedByPorts(res *istio.Resource, field string, own, effective *networking.TrafficPolicy) {
	for i, p := range own.GetPortLevelSettings() {
		var dropped []string
		for _, b := range []struct {
			name       string
			wide, here bool
		}{
			{"loadBalancer", effective.GetLoadBalancer() != nil, p.LoadBalancer != nil},
			{"connectionPool", effective.GetConnectionPool() != nil, p.ConnectionPool != nil},
			{"outlierDetection", effective.GetOutlierDetection() != nil, p.OutlierDetection != nil},
			{"tls", effective.GetTls() != nil, p.Tls != nil},
		} {
			if b.wide && !b.here {
				dropped = append(dropped, b.name)
			}
		}
		if len(dropped) > 0 {
			a.add(CodeDroppedBlock, istio.Warning, res, fmt.Sprintf("%s.portLevelSettings[%d]", field, i),
				fmt.Sprintf("on port %d the default %s applies: an entry for a port inherits nothing from the policy around it", p.GetPort().GetNumber(), strings.Join(dropped, ", ")),
				"repeat the settings in the entry for the port")
		}
	}
}
