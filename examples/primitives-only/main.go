// Command primitives-only puts one retry, one circuit breaker and one hash ring onto
// plain clients, without YAML and without anything around them.
package main

import "log"

func main() {
	log.SetFlags(0)
	for _, show := range []func() error{oneRetry, oneBreaker, oneRing} {
		if err := show(); err != nil {
			log.Fatal("primitives-only: ", err)
		}
	}
}
