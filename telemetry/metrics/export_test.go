package metrics

// LabelNames are the labels in their order.
func LabelNames() []string { return labelNames[:] }
