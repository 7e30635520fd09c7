package istio

import (
	"encoding/base64"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// Kubernetes' own kinds are read for what routing needs of them and not
// checked: an API server has done that, or will.

// into reads a field of an object into a Go value, without regard to fields
// that it has no place for.
func (d *decoder) into(all *manifest.Mapping, name string, value any) {
	e := all.Get(name)
	if e == nil {
		return
	}
	if err := e.Value.Decode(value); err != nil {
		d.reject(manifest.Top(name), e.Value, nil, "cannot be read: %s", manifest.ErrorText(err))
	}
}

func readService(d *decoder, all *manifest.Mapping) any {
	s := &Service{}
	d.into(all, "spec", s)
	return s
}

func readEndpointSlice(d *decoder, all *manifest.Mapping) any {
	s := &EndpointSlice{Service: d.res.Labels["kubernetes.io/service-name"]}
	d.into(all, "ports", &s.Ports)
	d.into(all, "endpoints", &s.Endpoints)
	return s
}

func readNamespace(d *decoder, _ *manifest.Mapping) any {
	d.res.Namespace = ""
	return &Namespace{}
}

func readNode(d *decoder, _ *manifest.Mapping) any {
	d.res.Namespace = ""
	return &Node{}
}

func readSecret(d *decoder, all *manifest.Mapping) any {
	s := &Secret{Data: map[string][]byte{}}
	var encoded, plain map[string]string
	d.into(all, "type", &s.Type)
	d.into(all, "data", &encoded)
	d.into(all, "stringData", &plain)
	for name, text := range encoded {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			d.reject(manifest.Top("data").Key(name), all.Get("data").Value, nil, "must be base64")
		}
		s.Data[name] = data
	}
	for name, text := range plain {
		s.Data[name] = []byte(text)
	}
	return s
}

func readConfigMap(d *decoder, all *manifest.Mapping) any {
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

func readPod(d *decoder, all *manifest.Mapping) any {
	var spec podSpec
	d.into(all, "spec", &spec)
	return podOf(spec, d.res.Labels, d.res.Annotations)
}

// readWorkload reads the Pod that a Deployment or its like makes.
func readWorkload(d *decoder, all *manifest.Mapping) any {
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

func readDefinition(d *decoder, all *manifest.Mapping) any {
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
