package lb_test

import (
	"fmt"
	"net/http"

	"github.com/sidecarless/mesh/lb"
)

// Users keep their endpoint, also when another one goes away.
func ExampleRingHash() {
	hasher, err := lb.NewHasher(lb.HashSource{Header: "x-user-id"})
	if err != nil {
		panic(err)
	}
	var hosts []*lb.Host
	for _, e := range lb.Addrs("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80") {
		hosts = append(hosts, lb.NewHost(e))
	}
	all, err := lb.RingHash{}.Picker(hosts)
	if err != nil {
		panic(err)
	}
	less, err := lb.RingHash{}.Picker(hosts[:2])
	if err != nil {
		panic(err)
	}
	for _, user := range []string{"ann", "bob", "cid", "dora"} {
		r, _ := http.NewRequest(http.MethodGet, "http://reviews/", nil)
		r.Header.Set("X-User-Id", user)
		var q lb.Query
		q.Hash, q.Hashed, _ = hasher.Hash(r, 0)
		fmt.Println(user, all.Pick(q).Addr(), "without the third", less.Pick(q).Addr())
	}
	// Output:
	// ann 10.0.0.3:80 without the third 10.0.0.1:80
	// bob 10.0.0.1:80 without the third 10.0.0.1:80
	// cid 10.0.0.3:80 without the third 10.0.0.2:80
	// dora 10.0.0.2:80 without the third 10.0.0.2:80
}
