package mesh

import "strings"

// A Flag says in Envoy's spelling why a request was refused or failed, as
// operators know it from access logs (%RESPONSE_FLAGS%). Several are joined by
// commas in the order in which they came, such as "URX,UF".
type Flag string

// The flags that this module sets, with Envoy's long name for each.
const (
	NoRoute            Flag = "NR"   // NoRouteFound: no rule matches the request
	NoCluster          Flag = "NC"   // NoClusterFound: a rule names a destination that does not exist
	NoHealthyUpstream  Flag = "UH"   // NoHealthyUpstream: no endpoint, or all of them ejected
	Overflow           Flag = "UO"   // UpstreamOverflow: a limit of a circuit breaker was reached
	ConnectFailure     Flag = "UF"   // UpstreamConnectionFailure: no connection could be made
	ConnectionLost     Flag = "UC"   // UpstreamConnectionTermination: the connection ended before the answer
	RemoteReset        Flag = "UR"   // UpstreamRemoteReset: the server reset the stream
	ProtocolError      Flag = "UPE"  // UpstreamProtocolError: the server's answer was not HTTP, or was cut short
	UpstreamTimeout    Flag = "UT"   // UpstreamRequestTimeout: the bound on the request or on an attempt ran out
	RetriesExhausted   Flag = "URX"  // UpstreamRetryLimitExceeded: no retry was left
	DelayInjected      Flag = "DI"   // DelayInjected: a fault delayed the request
	FaultInjected      Flag = "FI"   // FaultInjected: a fault answered the request
	RateLimited        Flag = "RL"   // RateLimited: a rate limit was reached
	RateLimitService   Flag = "RLSE" // RateLimitServiceError: the service that knows the rate limits failed
	Denied             Flag = "RBAC" // access was denied; Envoy shows this in the details alone
	ExternalDenied     Flag = "UAEX" // UnauthorizedExternalService: an external authorizer said no
	ClientGone         Flag = "DC"   // DownstreamConnectionTermination: the caller went away
	DownstreamProtocol Flag = "DPE"  // DownstreamProtocolError: the caller's request was malformed
)

// Has reports whether g is among the flags joined in f.
func (f Flag) Has(g Flag) bool {
	for rest := string(f); rest != ""; {
		var one string
		one, rest, _ = strings.Cut(rest, ",")
		if one == string(g) {
			return true
		}
	}
	return false
}

// With is f followed by those of the flags joined in g that f does not have.
func (f Flag) With(g Flag) Flag {
	for rest := string(g); rest != ""; {
		var one string
		one, rest, _ = strings.Cut(rest, ",")
		switch {
		case f == "":
			f = Flag(one)
		case !f.Has(Flag(one)):
			f += "," + Flag(one)
		}
	}
	return f
}

// Without is f without g.
func (f Flag) Without(g Flag) Flag {
	if !f.Has(g) {
		return f
	}
	var kept Flag
	for one := range strings.SplitSeq(string(f), ",") {
		if Flag(one) != g {
			kept = kept.With(Flag(one))
		}
	}
	return kept
}
