package build

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math"
	"net/http"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/mirror"
)

// A prepared is a rule made ready. It serves as long as a rule of a plan says the same,
// so that an update makes anew only what has changed.
type prepared struct {
	value   http.RoundTripper
	mirrors []*mirror.Mirror
}

// A content is the digest of all that a rule is made of: what it says, the clusters
// it leads to, and the mesh's settings for retries.
type content [sha256.Size]byte

// ready is the rule made ready, taken from the plan before where it can be.
func (u *update) ready(rule *plan.Rule) (http.RoundTripper, error) {
	key := u.contentOf(rule)
	if m, ok := u.rules[key]; ok {
		return m.value, nil
	}
	if m, ok := u.mesh.rules[key]; ok {
		u.rules[key] = m
		return m.value, nil
	}
	before := len(u.mirrors)
	value, err := u.rule(rule)
	if err != nil {
		return nil, err
	}
	u.prepared++
	u.rules[key] = prepared{value, u.mirrors[before:len(u.mirrors):len(u.mirrors)]}
	return value, nil
}

func (u *update) contentOf(rule *plan.Rule) (key content) {
	c := digester{sha256.New()}
	c.message(u.world.Mesh.GetDefaultHttpRetryPolicy())
	c.bytes(u.routeOf(rule.Route))
	c.message(rule.Match)
	if rule.Route.GetRedirect() != nil {
		tls := uint64(0)
		if rule.TLS {
			tls = 1
		}
		c.numbers(uint64(rule.Port), tls)
	}
	c.numbers(uint64(len(rule.Destinations)), uint64(len(rule.Mirrors)))
	for _, d := range rule.Destinations {
		c.cluster(d.Cluster, u.clusters[d.Cluster])
		c.numbers(uint64(d.Weight))
		c.message(d.Headers)
		c.message(d.Hash)
	}
	for _, m := range rule.Mirrors {
		c.cluster(m.Cluster, u.clusters[m.Cluster])
		c.numbers(math.Float64bits(m.Percent))
	}
	c.Sum(key[:0])
	return key
}

// routeOf is a route in bytes. Rules that differ in their match only share it.
func (u *update) routeOf(route *networking.HTTPRoute) []byte {
	if u.route != route || u.routeBytes == nil {
		u.route, u.routeBytes = route, marshal(route)
	}
	return u.routeBytes
}

func marshal(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(m)
	if err != nil {
		panic(err) // what was parsed is valid UTF-8
	}
	return b
}

// A digester writes values so that no two lists of them look alike.
type digester struct{ hash.Hash }

func (d digester) numbers(list ...uint64) {
	var b [8]byte
	for _, n := range list {
		binary.LittleEndian.PutUint64(b[:], n)
		d.Write(b[:])
	}
}

func (d digester) bytes(b []byte) {
	d.numbers(uint64(len(b)))
	d.Write(b)
}

// message writes a message; nil differs from an empty one.
func (d digester) message(m proto.Message) {
	if !m.ProtoReflect().IsValid() {
		d.numbers(math.MaxUint64)
		return
	}
	d.bytes(marshal(m))
}

// cluster writes which cluster it is: another one of the same name is another.
func (d digester) cluster(name plan.Cluster, c *cluster) {
	d.bytes([]byte(name.String()))
	if c == nil {
		d.numbers(0)
		return
	}
	d.numbers(c.number)
}

// endUnused ends the copies of rules that the plan no longer has.
func (m *Mesh) endUnused(now map[content]prepared) {
	var unused []*mirror.Mirror
	for key, one := range m.rules {
		if _, used := now[key]; !used {
			unused = append(unused, one.mirrors...)
		}
	}
	m.endCopies(unused)
}
