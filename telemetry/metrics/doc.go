// Package metrics gives access records to Prometheus as Istio's metrics.
package metrics

import _ "github.com/prometheus/client_golang/prometheus"
