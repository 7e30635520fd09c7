package istio

import (
	"encoding/base64"

	"go.yaml.in/yaml/v3"
)

// Kubernetes' own kinds are read for what routing needs of them and not
// checked: an API server has done that, or will.

// into reads a field of an object into a Go value, without regard to fields
// that it has no place for.
func (d *decoder) into(all *mapping, name string, value any) {
	e := all.get(name)
	if e == nil {
		return
	}
	if err := e.value.Decode(value); err != nil {
		d.reject(top(name), e.value, nil, "cannot be read: %s", yamlError(err))
	}
}

func readService(d *decoder, all *mapping) any {
	s := &Service{}
	d.into(all, "spec", s)
	return s
}

func readEndpointSlice(d *decoder, all *mapping) any {
	s := &EndpointSlice{Service: d.res.Labels["kubernetes.io/service-name"]}
	d.into(all, "ports", &s.Ports)
	d.into(all, "endpoints", &s.Endpoints)
	return s
}

func readNamespace(d *decoder, _ *mapping) any {
	d.res.Namespace = ""
	return &Namespace{}
}

func readNode(d *decoder, _ *mapping) any {
	d.res.Namespace = ""
	return &Node{}
}

func readSecret(d *decoder, all *mapping) any {
	s := &Secret{Data: map[string][]byte{}}
	var encoded, plain map[string]string
	d.into(all, "type", &s.Type)
	d.into(all, "data", &encoded)
	d.into(all, "stringData", &plain)
	for name, text := range encoded {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			d.reject(top("data").key(name), all.get("data").value, nil, "must be base64")
		}
		s.Data[name] = data
	}
	for name, text := range plain {
		s.Data[name] = []byte(text)
	}
	return s
}

func readConfigMap(d *decoder, all *mapping) any {
	c := &ConfigMap{}
	d.into(all, "data", &c.Data)
	return c
}

// podSpec is what is read of the spec of a Pod.
type podSpec struct {
	ServiceAccount string `yaml:"serviceAccountName"`
	HostNetwork    bool   `yaml:"hostNetwork"`
	NodeName       string `yaml:"nodeName"`
	Containers     []struct {
		Name  string          `yaml:"name"`
		Image string          `yaml:"image"`
		Ports []ContainerPort `yaml:"ports"`
	} `yaml:"containers"`
}

func readPod(d *decoder, all *mapping) any {
	var spec podSpec
	d.into(all, "spec", &spec)
	return podOf(spec, d.res.Labels, d.res.Annotations)
}

// readWorkload reads the Pod that a Deployment or its like makes.
func readWorkload(d *decoder, all *mapping) any {
	var spec struct {
		Template struct {
			Metadata struct {
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"metadata"`
			Spec podSpec `yaml:"spec"`
		} `yaml:"template"`
	}
	d.into(all, "spec", &spec)
	t := &spec.Template
	return podOf(t.Spec, t.Metadata.Labels, t.Metadata.Annotations)
}

func podOf(spec podSpec, labels, annotations map[string]string) *Pod {
	p := &Pod{Labels: labels, Annotations: annotations, ServiceAccount: spec.ServiceAccount, HostNetwork: spec.HostNetwork, NodeName: spec.NodeName}
	for _, c := range spec.Containers {
		p.Sidecar = p.Sidecar || c.Name == "istio-proxy" && c.Image != ""
		p.Ports = append(p.Ports, c.Ports...)
	}
	return p
}

func readDefinition(d *decoder, all *mapping) any {
	d.res.Namespace = ""
	var spec struct {
		Group string `yaml:"group"`
		Names struct {
			Kind string `yaml:"kind"`
		} `yaml:"names"`
	}
	d.into(all, "spec", &spec)
	return &CustomResourceDefinition{Group: spec.Group, Kind: spec.Names.Kind}
}

// yamlError is the first complaint of the YAML package.
func yamlError(err error) string {
	if typed, ok := err.(*yaml.TypeError); ok && len(typed.Errors) > 0 {
		return yamlLine.ReplaceAllString(typed.Errors[0], "")
	}
	return yamlLine.ReplaceAllString(err.Error(), "")
}
