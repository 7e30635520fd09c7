// Package drain lets a server leave without failing anybody's request.
//
// A server that just stops breaks requests under way, and those that are sent
// before its callers have noticed. [http.Server.Shutdown] waits for the former. For
// the latter callers have to hear beforehand that the server is about to leave: a
// drain is the time between that word and the end.
//
//	var leaving drain.Drain
//	mux.HandleFunc("/ready", leaving.Ready)
//	server := &http.Server{Handler: leaving.Handler(mux)}
//	...
//	<-terminated
//	leaving.Shutdown(ctx, server, 5*time.Second)
//
// While it drains, a server serves as before, and says in three ways that it
// leaves: [Drain.Ready] answers 503 to whoever checks it, HTTP/1.1 connections are
// closed after their answer and HTTP/2 ones get a GOAWAY, and each answer has the
// header x-envoy-immediate-health-check-fail. Envoys with active health checks stop
// using an endpoint on that header at once, and so do upstreams of this module
// ([github.com/sidecarless/mesh/upstream.Health]); nothing of it counts as a
// failure.
package drain
