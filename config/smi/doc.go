// Package smi reads the TrafficSplits and HTTPRouteGroups of the Service Mesh
// Interface, in all their versions, and carries splits out on a client.
//
// A split divides the requests for one service, its root, among others, its
// leaves, by weight. Weights are Kubernetes quantities: 900m, 0.9 and "900m" are
// nine hundred thousandths. A split may be for some requests only, those that an
// HTTPRouteGroup describes; all others go to the root.
//
//	config, err := smi.ParseFiles("canary.yaml")
//	…
//	web, err := smi.NewClient(config.Splits[0], smi.ClientConfig{Upstream: dial})
//	client := &http.Client{Transport: web}
//
// The specification leaves much open, and much that is written down would be
// refused by a cluster. [Parse] is tolerant: it takes what has one meaning only,
// and warns. [Options] has a strict reading that refuses it. Every problem has a
// [Code], a file, a line and a field.
package smi
