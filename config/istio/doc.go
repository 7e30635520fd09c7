// Package istio reads the mesh's own YAML and runs it: Istio's resources for
// traffic and security, and the Kubernetes Services they speak of.
//
//	config, err := istio.ParseFiles("mesh.yaml")
//	...
//	mesh, err := istio.NewClient(config, istio.ClientConfig{})
//	...
//	defer mesh.Close()
//	client := &http.Client{Transport: mesh}
//
// A [Client] does what the sidecar of a caller does, a [Server] what that of a server
// does, and a [Gateway] what an ingress gateway does.
//
// # Reading
//
// [Parse], [ParseFS] and [ParseFiles] read documents as a Kubernetes API server
// and Istio's admission check would, and are as strict as both together: a field
// that does not exist, a number in quotes, a key given twice, a duration without
// a unit, a misspelled retry condition are refused. Every problem of
// every document is reported at once, each with its file, line, kind, name and
// field:
//
//	mesh.yaml:12: VirtualService shop/reviews: spec.http[2].retries.retryOn: …
//
// What Istio accepts with a warning is accepted with that warning, see
// [Config.Warnings]. What Istio accepts although it can never work, such as a
// redirect with status 304, is refused with a code of our own, so that Istio's
// verdict stays readable, see [Finding].
//
// Beside Istio's kinds there is one of our own, [RateLimit].
//
// # Reloading and explaining
//
// A [Watcher] hands changed files on to [Client.Update], all of them or none.
// [Client.Explain] says what becomes of a request: the rule for it, why earlier
// ones do not match, the destinations with their endpoints, and every setting with
// the file and line it comes from.
package istio
