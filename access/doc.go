// Package access tells each request once, when its last byte has passed: what
// was asked, which rule, destination and endpoint it went to, how often it was
// tried, how it ended and why.
//
// A [Sink] takes each [Record]. [Slog] writes it to a structured logger,
// [Envoy] in the text or JSON format of a sidecar's access log, so that what
// reads such logs today goes on reading. A Sink is also a layer, the outermost
// one of a client or a server:
//
//	log := access.Slog(slog.Default())
//	client.Transport = mesh.Chain(log.Transport, retries.Transport)(http.DefaultTransport)
//	server.Handler = log.Handler(mux)
//
// [Sampled] leaves out most of what went well, and a [Queue] keeps a slow Sink
// from holding up requests. [Record.Story] is a record in words, and an [Explainer]
// gives it with the answer to callers that ask and may know.
//
// Records are made from what the layers inside noted of the request, and so a
// layer that is not in the chain leaves its fields empty.
package access
