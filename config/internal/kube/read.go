package kube

import (
	"encoding/base64"

	"go.yaml.in/yaml/v3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// An Object is what there is to read of an object.
type Object struct {
	Fields              *manifest.Mapping // those at its top
	Labels, Annotations map[string]string

	// Reject is told of a field that cannot be read.
	Reject func(field *manifest.Path, at *yaml.Node, reason string)
}

// Into reads a field of the object into a Go value.
func (o *Object) Into(name string, value any) {
	e := o.Fields.Get(name)
	if e == nil {
		return
	}
	if err := e.Value.Decode(value); err != nil {
		o.Reject(manifest.Top(name), e.Value, "cannot be read: "+manifest.ErrorText(err))
	}
}

// ReadService reads a Service.
func ReadService(o *Object) *Service {
	s := &Service{}
	o.Into("spec", s)
	return s
}

// ReadEndpointSlice reads an EndpointSlice.
func ReadEndpointSlice(o *Object) *EndpointSlice {
	s := &EndpointSlice{Service: o.Labels["kubernetes.io/service-name"]}
	o.Into("ports", &s.Ports)
	o.Into("endpoints", &s.Endpoints)
	return s
}

// ReadNamespace reads a Namespace.
func ReadNamespace(*Object) *Namespace { return &Namespace{} }

// ReadNode reads a Node.
func ReadNode(*Object) *Node { return &Node{} }

// ReadConfigMap reads a ConfigMap.
func ReadConfigMap(*Object) *ConfigMap { return &ConfigMap{} }

// ReadSecret reads a Secret.
func ReadSecret(o *Object) *Secret {
	s := &Secret{Data: map[string][]byte{}}
	var encoded, plain map[string]string
	o.Into("data", &encoded)
	o.Into("stringData", &plain)
	for name, text := range encoded {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			o.Reject(manifest.Top("data").Key(name), o.Fields.Get("data").Value, "must be base64")
		}
		s.Data[name] = data
	}
	for name, text := range plain {
		s.Data[name] = []byte(text)
	}
	return s
}

// podSpec is what is read of the spec of a Pod.
type podSpec struct {
	ServiceAccount string `yaml:"serviceAccountName"`
	NodeName       string `yaml:"nodeName"`
	Containers     []struct {
		Name  string `yaml:"name"`
		Image string `yaml:"image"`
	} `yaml:"containers"`
}

// ReadPod reads a Pod.
func ReadPod(o *Object) *Pod {
	var spec podSpec
	o.Into("spec", &spec)
	return podOf(spec, o.Labels, o.Annotations)
}

// ReadWorkload reads the Pod that a Deployment, StatefulSet, DaemonSet or ReplicaSet
// makes.
func ReadWorkload(o *Object) *Pod {
	var spec struct {
		Template struct {
			Metadata struct {
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"metadata"`
			Spec podSpec `yaml:"spec"`
		} `yaml:"template"`
	}
	o.Into("spec", &spec)
	t := &spec.Template
	return podOf(t.Spec, t.Metadata.Labels, t.Metadata.Annotations)
}

func podOf(spec podSpec, labels, annotations map[string]string) *Pod {
	p := &Pod{Labels: labels, Annotations: annotations, ServiceAccount: spec.ServiceAccount, NodeName: spec.NodeName}
	for _, c := range spec.Containers {
		p.Sidecar = p.Sidecar || c.Name == "istio-proxy" && c.Image != ""
	}
	return p
}

// ReadDefinition reads a CustomResourceDefinition.
func ReadDefinition(o *Object) *CustomResourceDefinition {
	var spec struct {
		Group string `yaml:"group"`
		Names struct {
			Kind string `yaml:"kind"`
		} `yaml:"names"`
	}
	o.Into("spec", &spec)
	return &CustomResourceDefinition{Group: spec.Group, Kind: spec.Names.Kind}
}
