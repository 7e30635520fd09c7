// Package spantext writes traces to a terminal as trees, for demos and while
// developing: no collector is needed.
//
//	tracing, err := otelmesh.New(otelmesh.Config{Tracer: spantext.New(os.Stdout)})
//
// A tree is written when all of its spans that began in this process have ended. It
// looks so, with the status, what the mesh decided, what went wrong and how long it
// took:
//
//	trace 0af7651916cd43dd8448eb211c80319c
//	  server GET /productpage 200 14ms
//	    internal mesh reviews 200 cluster=reviews subset=v2 12ms
//	      client GET 503 endpoint=10.0.0.9:9080 error 3ms
//	      client GET 200 endpoint=10.0.0.7:9080 8ms
//
// A trace is kept in memory until it is written: spantext is not for production.
package spantext
