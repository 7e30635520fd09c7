// Package words says numbers, times and names as people read them.
package words
