package mesh

// Chain makes one layer of several. The first listed sees a request first and
// its response last. It works for client layers, where T is an [http.RoundTripper],
// and for server layers, where T is an [http.Handler]. A nil layer is left out, so
// that a layer can depend on a condition; without any layer the result returns what
// it is given.
func Chain[T any](layers ...func(T) T) func(T) T {
	return func(next T) T {
		for i := len(layers) - 1; i >= 0; i-- {
			if layers[i] != nil {
				next = layers[i](next)
			}
		}
		return next
	}
}
