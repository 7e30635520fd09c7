// Package console is a page about the mesh inside of a process, for the people who
// run it: where requests go and how fast, what is taken out of use and since when,
// what was decided for each of the last requests and why, which configuration is in
// force.
//
// A [Console] is an [http.Handler] to mount, and an [access.Sink] to tell:
//
//	page, err := console.New(console.Config{Upstreams: []*upstream.Upstream{reviews, ratings}})
//	...
//	client.Transport = mesh.Chain(access.Sink(page.Sink).Transport, ...)(...)
//	mux.Handle("/debug/mesh/", page)
//
// Every path has the same contents as a page for browsers, as text for curl and as
// JSON for scripts, by the request's Accept header or by ?format=html, text or json.
// In a browser pages stay current. Beside them are the paths of Envoy's admin
// interface that scripts ask for: /clusters, /stats, /config_dump, /server_info and
// /ready.
//
// # Who may look
//
// The page tells of endpoints, rules and requests. Unless [Config.Remote] says
// otherwise it answers connections from the same machine only, and it refuses
// requests by a host name that others could point at it. Values of queries and of
// headers like Authorization are not kept. Nothing can be changed unless
// [Config.Change] allows it.
//
// # What it costs
//
// Each request is noted under a lock for some hundred nanoseconds. Everything else
// happens while somebody looks. Memory is bounded by [Config.Decisions] and
// [Config.Series].
package console
