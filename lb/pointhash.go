package lb

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// pointHash is the function that places the points of a ring.
type pointHash uint8

const (
	xxHash pointHash = iota
	murmurHash2
)

func (hash pointHash) sum(text []byte) uint64 {
	if hash == murmurHash2 {
		return murmur2(text)
	}
	return xxhash.Sum64(text)
}

// seededHash is xxHash64 of s with a seed.
func seededHash(s string, seed uint64) uint64 {
	if seed == 0 {
		return xxhash.Sum64String(s)
	}
	var d xxhash.Digest
	d.ResetWithSeed(seed)
	d.WriteString(s)
	return d.Sum64()
}

// murmur2 is MurmurHash2 in its form for 64 bits, with the seed that libstdc++
// uses and that Envoy keeps for rings made before it had xxHash.
func murmur2(b []byte) uint64 {
	const (
		mul  = 0xc6a4a7935bd1e995
		seed = 0xc70f6907
	)
	h := uint64(seed) ^ uint64(len(b))*mul
	for ; len(b) >= 8; b = b[8:] {
		k := binary.LittleEndian.Uint64(b) * mul
		k = (k ^ k>>47) * mul
		h = (h ^ k) * mul
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		h = (h ^ binary.LittleEndian.Uint64(tail[:])) * mul
	}
	h = (h ^ h>>47) * mul
	return h ^ h>>47
}
