package lb

// overprovisioning is how many per cent of a level's load its healthy hosts can
// take: with 140, a level can do without 28 % of its hosts before any of its
// requests go to the next one. It is Envoy's default, which Istio leaves alone.
const overprovisioning = 140

// A levelHealth is the state of the hosts of one priority. Degraded hosts are
// neither healthy nor out of use.
type levelHealth struct{ hosts, healthy, degraded int }

// available is how many per cent of all requests n hosts of the level can take.
func (l levelHealth) available(n, overprovisioning int) int {
	if l.hosts == 0 {
		return 0
	}
	return min(100, overprovisioning*n/l.hosts)
}

// A levelLoad is what a priority gets, in per cent of all requests.
type levelLoad struct {
	healthy, degraded int  // for its healthy and for its degraded hosts
	panic             bool // so few are healthy that all its hosts are used
}

// spread tells how requests are spread over priorities, in whole per cent as
// Envoy does it. A level with less than panicBelow per cent of its hosts left
// panics, but only while all levels together cannot take all requests; zero is
// never.
func spread(levels []levelHealth, overprovisioning int, panicBelow float64) []levelLoad {
	loads := make([]levelLoad, len(levels))
	total := 0
	for _, l := range levels {
		total += l.available(l.healthy, overprovisioning) + l.available(l.degraded, overprovisioning)
	}
	total = min(total, 100)
	if total < 100 && spreadInPanic(levels, loads, panicBelow) {
		return loads
	}
	if total == 0 {
		if len(loads) > 0 {
			loads[0].healthy = 100 // where nobody is found
		}
		return loads
	}
	left := 100
	take := func(available int) int {
		load := min(left, available*100/total)
		left -= load
		return load
	}
	for i, l := range levels {
		loads[i].healthy = take(l.available(l.healthy, overprovisioning))
	}
	for i, l := range levels {
		loads[i].degraded = take(l.available(l.degraded, overprovisioning))
	}
	// What rounding left goes to the first level that has anything.
	for i, l := range levels {
		if l.available(l.healthy, overprovisioning) > 0 {
			loads[i].healthy += left
			return loads
		}
	}
	for i, l := range levels {
		if l.available(l.degraded, overprovisioning) > 0 {
			loads[i].degraded += left
			break
		}
	}
	return loads
}

// spreadInPanic notes which levels panic. If all do, health says nothing: loads
// go by the numbers of hosts, and the result is true.
func spreadInPanic(levels []levelHealth, loads []levelLoad, panicBelow float64) (all bool) {
	all = true
	hosts := 0
	for i, l := range levels {
		left := 0.0
		if l.hosts > 0 {
			left = 100*float64(l.healthy)/float64(l.hosts) + 100*float64(l.degraded)/float64(l.hosts)
		}
		loads[i].panic = left < panicBelow
		all = all && loads[i].panic
		hosts += l.hosts
	}
	if !all || hosts == 0 {
		return false
	}
	left := 100
	for i, l := range levels {
		loads[i].healthy = 100 * l.hosts / hosts
		left -= loads[i].healthy
	}
	for i, l := range levels {
		if l.hosts > 0 {
			loads[i].healthy += left
			break
		}
	}
	return true
}

// localityWeight is the weight of a locality, less what its healthy hosts cannot
// take.
func localityWeight(weight uint32, healthy, hosts, overprovisioning int) float64 {
	if hosts == 0 {
		return 0
	}
	return float64(weight) * min(1, float64(overprovisioning)/100*float64(healthy)/float64(hosts))
}
