// Package telemetry is what metrics and traces share: who this process is, and
// how each side of a call learns who the other one is.
package telemetry
