package main

import (
	"bytes"
	_ "embed"
	"net/http"

	"github.com/sidecarless/mesh/config/istio"
)

//go:embed mesh.yaml
var resources []byte

// fromResources is the full stack as Istio's resources describe it.
func fromResources() http.RoundTripper {
	config := made(istio.Parse("mesh.yaml", bytes.NewReader(resources)))
	return made(istio.NewClient(config, istio.ClientConfig{Transport: stub}))
}
