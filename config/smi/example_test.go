package smi_test

import (
	"fmt"
	"log"
	"net/http"
	"strings"

	"github.com/sidecarless/mesh/config/smi"
	"github.com/sidecarless/mesh/meshtest"
)

func Example() {
	const document = `
apiVersion: split.smi-spec.io/v1alpha1
kind: TrafficSplit
metadata: {name: web, namespace: shop}
spec:
  service: web
  backends:
  - {service: web-v1, weight: 900m}
  - {service: web-v2, weight: 100m}
`
	config, err := smi.Parse("canary.yaml", strings.NewReader(document))
	if err != nil {
		log.Fatal(err)
	}
	// In earnest this makes an upstream.Upstream for each service.
	dial := func(service string) (http.RoundTripper, error) {
		return meshtest.NewUpstream(meshtest.Reply{Status: 200, Body: service}), nil
	}
	web, err := smi.NewClient(config.Splits[0], smi.ClientConfig{Upstream: dial})
	if err != nil {
		log.Fatal(err)
	}
	// The canary has lost its last endpoint.
	if err := web.SetAvailable("web-v2", false); err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: web}
	res, err := client.Get("http://web.shop/")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	var answer [16]byte
	n, _ := res.Body.Read(answer[:])
	fmt.Println(res.Status, string(answer[:n]))
	// Output: 200 OK web-v1
}
