// Package breaker refuses what an upstream, or this server, cannot take.
package breaker
