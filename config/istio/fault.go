package istio

import (
	"cmp"
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// grpcStatuses are the names of gRPC's status codes.
var grpcStatuses = []string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

func (c *checker) fault(p *manifest.Path, f *networking.HTTPFaultInjection) {
	if f == nil {
		return
	}
	if f.Abort == nil && f.Delay == nil {
		c.refuse(p, nil, "is empty: it needs delay, abort or both")
	}
	if f.Abort != nil {
		c.abort(p.Field("abort"), f.Abort)
	}
	if f.Delay != nil {
		c.delay(p.Field("delay"), f.Delay)
	}
}

func (c *checker) abort(p *manifest.Path, a *networking.HTTPFaultInjection_Abort) {
	c.faultShare(p.Field("percentage"), a.Percentage)
	switch kind := a.ErrorType.(type) {
	case *networking.HTTPFaultInjection_Abort_HttpStatus:
		c.status(p.Field("httpStatus"), int64(kind.HttpStatus))
	case *networking.HTTPFaultInjection_Abort_GrpcStatus:
		if slices.Contains(grpcStatuses, kind.GrpcStatus) {
			return
		}
		best := cmp.Or(manifest.Nearest(kind.GrpcStatus, grpcStatuses), "UNAVAILABLE")
		c.refuse(p.Field("grpcStatus"), kind.GrpcStatus, "must be the name of a gRPC status, such as %s", best)
	case *networking.HTTPFaultInjection_Abort_Http2Error:
		c.refuse(p.Field("http2Error"), kind.Http2Error, "no proxy carries this out; use httpStatus or grpcStatus")
	default:
		c.pointless(p, nil, "aborts with nothing: it needs httpStatus or grpcStatus")
	}
}

func (c *checker) delay(p *manifest.Path, d *networking.HTTPFaultInjection_Delay) {
	c.faultShare(p.Field("percentage"), d.Percentage)
	if d.Percent < 0 || d.Percent > 100 {
		c.pointless(p.Field("percent"), d.Percent, "must be 0 to 100 per cent")
	}
	switch kind := d.HttpDelayType.(type) {
	case *networking.HTTPFaultInjection_Delay_FixedDelay:
		c.duration(p.Field("fixedDelay"), kind.FixedDelay)
	case *networking.HTTPFaultInjection_Delay_ExponentialDelay:
		c.refuse(p.Field("exponentialDelay"), nil, "no proxy carries this out; use fixedDelay")
	default:
		c.pointless(p, nil, "delays by nothing: it needs fixedDelay")
	}
}

// faultShare checks a share of requests, whose smallest step is a millionth.
func (c *checker) faultShare(p *manifest.Path, share *networking.Percent) {
	if v := share.GetValue(); v < 0 || v > 100 || v > 0 && v < 0.0001 {
		c.refuse(p.Field("value"), v, "must be 0, or 0.0001 to 100 per cent")
	}
}
