// Package traffic counts requests by where they went, and tells rates and percentiles
// of the last half minute. It keeps a bounded number of series.
package traffic
