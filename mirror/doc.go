// Package mirror sends copies of requests to a second server and throws its
// answers away, so that a new version meets real traffic before anybody depends
// on it. It is what Istio's mirror and Envoy's request_mirror_policies do, inside
// the process.
//
// A [Mirror] is a layer for a client or for a server. The request itself goes on
// untouched and is never slowed down; the copy is sent beside it:
//
//	copies, err := mirror.New(mirror.Config{
//		To:     http.DefaultTransport,
//		Server: "http://reviews-v2:9080",
//		Share:  mesh.Percent(10),
//	})
//	…
//	defer copies.Close()
//	client := &http.Client{Transport: copies.Transport(http.DefaultTransport)}
//
// One request makes one copy at most, however often the layers inside repeat it.
// What copies may cost is bounded: their number, the size of their bodies and
// their time. A copy for which there is no room is not made, and counted. For
// several servers chain several Mirrors; each draws on its own.
//
// With [Compare] the answers of both servers are held against each other.
package mirror
