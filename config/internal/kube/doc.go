// Package kube reads what routing and analysis need of Kubernetes' own kinds. They
// are not checked, and fields without a place here are passed over: an API server
// has seen them, or will.
package kube
