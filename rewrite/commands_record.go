package rewrite

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/flow"
)

// recorded are the commands that read what is known of a request on its way, which
// is its own first attempt.
var recorded = map[string]command{
	"DURATION":             fromFlow(func(f *flow.Flow) string { return strconv.FormatInt(time.Since(f.Start).Milliseconds(), 10) }),
	"ROUTE_NAME":           chosen(func(c *flow.Choice) string { return c.Route }),
	"START_TIME":           startTime,
	"UPSTREAM_CLUSTER":     chosen(statisticsOf),
	"UPSTREAM_CLUSTER_RAW": chosen(func(c *flow.Choice) string { return c.Upstream }),
	"UPSTREAM_REQUEST_ATTEMPT_COUNT": func(s *scope) string {
		if s.header == nil {
			return "1"
		}
		return strconv.Itoa(attempts(s.r))
	},
}

// ofAnswers are those that read what is known at the end.
var ofAnswers = map[string]command{
	"RESPONSE_CODE":                        statusOf,
	"RESPONSE_CODE_DETAILS":                detailsOf,
	"RESPONSE_FLAGS":                       flagsOf,
	"UPSTREAM_HOST":                        endpoint,
	"UPSTREAM_REMOTE_ADDRESS":              endpoint,
	"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": hostOf(endpoint),
	"UPSTREAM_REMOTE_PORT":                 portOf(endpoint),
}

// record is the record of a request, sent or served, or nil.
func record(r *http.Request) *flow.Flow {
	if f := flow.Of(r); f != nil {
		return f
	}
	return flow.Served(r)
}

func fromFlow(read func(*flow.Flow) string) command {
	return func(s *scope) string {
		if f := record(s.r); f != nil {
			return read(f)
		}
		return ""
	}
}

// chosen reads what was chosen for a request that is sent, or served.
func chosen(read func(*flow.Choice) string) command {
	return func(s *scope) string {
		if t := flow.TryOf(s.r); t != nil {
			return read(t.Chosen())
		}
		if f := flow.Served(s.r); f != nil {
			return read(&f.Choice)
		}
		return ""
	}
}

func statusOf(s *scope) string { return strconv.Itoa(s.status) }

// statisticsOf is the name of the upstream in statistics. Those of Istio's clusters
// end in a semicolon.
func statisticsOf(c *flow.Choice) string {
	if strings.HasPrefix(c.Upstream, "outbound|") {
		return c.Upstream + ";"
	}
	return c.Upstream
}

// attempts is how often a request was sent.
func attempts(r *http.Request) int {
	if f := record(r); f != nil {
		return f.Attempts()
	}
	return 0
}

// endpoint is the address that was tried last.
var endpoint = fromFlow(func(f *flow.Flow) string {
	if last := f.Last(); last != nil {
		return last.Endpoint()
	}
	return ""
})

// detailsOf says why the answer is what it is.
func detailsOf(s *scope) string {
	if s.err != nil {
		return mesh.AsError(s.err).Details
	}
	switch f := record(s.r); {
	case f != nil && f.More != nil && f.More.Details != "":
		return f.More.Details
	case attempts(s.r) > 0:
		return mesh.DetailsViaUpstream
	}
	return ""
}

// flagsOf are the flags of the answer, or a dash.
func flagsOf(s *scope) string {
	var flags mesh.Flag
	if f := record(s.r); f != nil && f.More != nil {
		flags = f.More.Flags
	}
	if s.err != nil {
		flags = flags.With(mesh.AsError(s.err).Flag)
	}
	if flags = flags.Without(mesh.Denied); flags == "" {
		return "-"
	}
	return string(flags)
}

func startTime(s *scope) string {
	start := time.Now()
	if f := record(s.r); f != nil {
		start = f.Start
	}
	return start.UTC().Format("2006-01-02T15:04:05.000Z")
}
