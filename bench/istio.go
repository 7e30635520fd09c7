package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"net/http"
	"strconv"

	"github.com/sidecarless/mesh/config/istio"
)

//go:embed mesh.yaml
var resources []byte

// fromResources is the full stack as Istio's resources describe it.
func fromResources() http.RoundTripper {
	config := made(istio.Parse("mesh.yaml", bytes.NewReader(resources)))
	return made(istio.NewClient(config, istio.ClientConfig{Transport: stub}))
}

// istioSizes are how many rules the resources have, two for each host.
var istioSizes = []int{10, 10_000}

// askedHosts are asked for in both sizes, so that what differs is what is not asked
// for, and not how many destinations a processor's caches have to hold.
const askedHosts = 5

// fleets are the benchmarks of clients made of few and of many resources: a request
// must not cost more for hosts and rules that it has nothing to do with.
func fleets() []benchmark {
	var list []benchmark
	for _, n := range istioSizes {
		list = append(list, benchmark{
			name: "Istio/ours/n=" + strconv.Itoa(n),
			setup: func() func() loop {
				config := made(istio.Parse("fleet.yaml", bytes.NewReader(hostsOfTwoRules(n/2))))
				client := made(istio.NewClient(config, istio.ClientConfig{Transport: stub}))
				var all [targets]*http.Request
				for k := range all {
					host := k % askedHosts * (n / 2) / askedHosts
					all[k] = made(http.NewRequest(http.MethodGet, "http://"+hostOf(host)+"/api/1/items/7", nil))
					all[k].Header.Set("X-Version", "1")
				}
				return lookUp(all, func(r *http.Request) bool {
					res, err := client.RoundTrip(r)
					if err != nil {
						return false
					}
					res.Body.Close()
					return res.StatusCode == http.StatusOK
				})
			},
		})
	}
	return list
}

// hostsOfTwoRules are resources of n hosts, of which requests take the second rule.
func hostsOfTwoRules(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s%d}\n", i)
		fmt.Fprintf(&b, "spec:\n  hosts: [%s]\n  resolution: STATIC\n  ports: [{number: 80, name: http, protocol: HTTP}]\n  endpoints: [{address: 10.0.%d.%d}]\n", hostOf(i), i>>8, i&255)
		fmt.Fprintf(&b, "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: s%d}\n", i)
		fmt.Fprintf(&b, "spec:\n  hosts: [%s]\n  http:\n", hostOf(i))
		for k := range 2 {
			fmt.Fprintf(&b, "  - match: [{uri: {prefix: /api/%[1]d}, headers: {x-version: {exact: \"%[1]d\"}}}]\n    route: [{destination: {host: %[2]s}}]\n", k, hostOf(i))
		}
	}
	return b.Bytes()
}
