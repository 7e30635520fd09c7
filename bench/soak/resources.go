package main

import (
	"bytes"
	_ "embed"
	"net"
	"text/template"

	"github.com/sidecarless/mesh/config/istio"
)

//go:embed mesh.yaml
var text string

var resources = template.Must(template.New("mesh.yaml").Parse(text))

// A service is what the resources say of a fleet.
type service struct {
	Name, Host   string
	HTTP2, Rough bool
	Version      int // changes a rule that no request meets, and a bound
	Endpoints    []endpoint
}

type endpoint struct{ IP, Port, Subset string }

// describe is the fleets' resources, the version-th ones.
func describe(all []*fleet, version int) (*istio.Config, error) {
	services := make([]service, len(all))
	for i, f := range all {
		s := service{Name: f.name, Host: f.host(), HTTP2: f.http2, Rough: f.rough, Version: version % 10}
		for _, o := range f.serving {
			ip, port, err := net.SplitHostPort(o.addr)
			if err != nil {
				return nil, err
			}
			s.Endpoints = append(s.Endpoints, endpoint{ip, port, o.half})
		}
		services[i] = s
	}
	var b bytes.Buffer
	if err := resources.Execute(&b, services); err != nil {
		return nil, err
	}
	return istio.Parse("mesh.yaml", &b)
}
