package retry

type quantile struct{}
