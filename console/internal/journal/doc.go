// Package journal keeps the last requests with what became of them, in bounded memory
// and without what is nobody's business: values that no rule reads, and secrets.
package journal
