// Package upstream is the client's side of one destination.
package upstream
