package macro

import "slices"

// A Round is what one round has measured of a system.
type Round struct {
	CPU, Proxy          float64 // microseconds a request: of all processes, and of the proxies among them
	RPS                 float64 // requests a second, with as many as pass
	OpenCPU             float64 // as CPU, at a fixed rate
	P50, P99            float64 // microseconds, at a fixed rate
	ProxyRSS, ClientRSS float64 // MiB
}

// A Result is what was measured of a system.
type Result struct {
	Name   string  `json:"name"`
	Rounds []Round `json:"rounds"`

	// Of the rounds: the lower quartile of CPU times, the upper of throughput, the
	// median of latencies, and the most memory.
	CPU       float64 `json:"cpu_us"`
	Proxy     float64 `json:"proxy_cpu_us"`
	RPS       float64 `json:"rps"`
	OpenCPU   float64 `json:"open_cpu_us,omitempty"`
	P50       float64 `json:"p50_us,omitempty"`
	P99       float64 `json:"p99_us,omitempty"`
	ProxyRSS  float64 `json:"proxy_rss_mib"`
	ClientRSS float64 `json:"client_rss_mib"`

	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	Canary   float64 `json:"canary"`            // share of the requests
	Problem  string  `json:"problem,omitempty"` // an example of an error

	canaries int
}

// The quantities of rounds, by which systems are compared.
var (
	CPU     = func(r Round) float64 { return r.CPU }
	RPS     = func(r Round) float64 { return r.RPS }
	Latency = func(r Round) float64 { return r.P50 }
)

// count adds what became of a load.
func (r *Result) count(s sent) {
	r.Requests += s.Requests
	r.Errors += s.Errors
	r.canaries += s.Canaries
	if s.Problem != "" {
		r.Problem = s.Problem
	}
}

func (r *Result) settle() {
	r.CPU = r.quantile(0.25, CPU)
	r.Proxy = r.quantile(0.25, func(r Round) float64 { return r.Proxy })
	r.RPS = r.quantile(0.75, RPS)
	r.OpenCPU = r.quantile(0.25, func(r Round) float64 { return r.OpenCPU })
	r.P50 = r.quantile(0.5, Latency)
	r.P99 = r.quantile(0.5, func(r Round) float64 { return r.P99 })
	r.ProxyRSS = r.quantile(1, func(r Round) float64 { return r.ProxyRSS })
	r.ClientRSS = r.quantile(1, func(r Round) float64 { return r.ClientRSS })
	if r.Requests > 0 {
		r.Canary = float64(r.canaries) / float64(r.Requests)
	}
}

func (r *Result) quantile(q float64, of func(Round) float64) float64 {
	all := make([]float64, len(r.Rounds))
	for i, round := range r.Rounds {
		all[i] = of(round)
	}
	return Quantile(all, q)
}

// Ratio is how often a quantity of r is that of other: the median over rounds, each
// of which measured both right after each other. It is 0 if one was not measured.
func (r *Result) Ratio(other *Result, of func(Round) float64) float64 {
	var all []float64
	for i := range min(len(r.Rounds), len(other.Rounds)) {
		if of(other.Rounds[i]) == 0 {
			return 0
		}
		all = append(all, of(r.Rounds[i])/of(other.Rounds[i]))
	}
	return Quantile(all, 0.5)
}

// Quantile interpolates between the values nearest to a share of all, which it
// sorts; 0 of none.
func Quantile(all []float64, q float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	at := q * float64(len(all)-1)
	i := int(at)
	if i+1 == len(all) {
		return all[i]
	}
	part := at - float64(i)
	return all[i]*(1-part) + all[i+1]*part
}
