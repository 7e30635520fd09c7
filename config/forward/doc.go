// Package forward serves requests by sending them on through a client: what makes
// a sidecar or a gateway of a mesh's client.
//
// A reverse proxy has to get many small things right that a client or a handler of
// one's own never meets: paths that are sent on byte for byte, uploads while the
// answer already comes, upgrades, trailers, callers who hang up. [New] is the handler
// that does, on [net/http/httputil.ReverseProxy]; [Server] and [Listener] make an
// http.Server behave at its door as Envoy does:
//
//	sidecar := forward.Server(forward.New(forward.Config{Client: client}))
//	sidecar.Serve(forward.Listener(l))
package forward
