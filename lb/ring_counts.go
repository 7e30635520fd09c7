package lb

import "math"

// ringCounts are the numbers of points of members with these shares: so many
// that the smallest share gets a whole number and all together at least minSize,
// but scaled down to maxSize in all. The rounding of sums that run over all
// members can leave one more than that.
func ringCounts(shares []float64, minSize, maxSize int) []int {
	least := math.Inf(1)
	for _, s := range shares {
		least = min(least, s)
	}
	scale := min(math.Ceil(least*float64(minSize))/least, float64(maxSize))
	counts := make([]int, len(shares))
	target, made := 0.0, 0
	for m, share := range shares {
		// The conversion keeps processors from fusing the product with the sum,
		// which would round otherwise.
		target += float64(scale * share)
		upTo := max(int(math.Ceil(target)), made)
		counts[m], made = upTo-made, upTo
	}
	return counts
}
