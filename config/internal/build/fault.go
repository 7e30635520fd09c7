package build

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/plan"
	"github.com/sidecarless/mesh/fault"
)

// faults is the rule's layer of faults, or nil. A percentage that is not given is
// none.
func (u *update) faults(rule *plan.Rule) (layer, error) {
	f := rule.Route.GetFault()
	if f == nil {
		return nil, nil
	}
	c := fault.Config{Rand: u.mesh.options.Rand}
	if d := f.Delay; d.GetFixedDelay() != nil {
		share := mesh.Percent(d.GetPercentage().GetValue())
		if d.Percentage == nil {
			share = mesh.Percent(float64(d.Percent))
		}
		if share > 0 {
			c.Delay = fault.Delay{Share: share, For: d.GetFixedDelay().AsDuration()}
		}
	}
	if share := mesh.Percent(f.Abort.GetPercentage().GetValue()); share > 0 {
		switch a := f.Abort.ErrorType.(type) {
		case *networking.HTTPFaultInjection_Abort_HttpStatus:
			c.Abort = fault.Abort{Share: share, Status: int(a.HttpStatus)}
		case *networking.HTTPFaultInjection_Abort_GrpcStatus:
			// Callers that do not speak gRPC get 200, as from a sidecar.
			c.Abort = fault.Abort{Share: share, Status: 200, GRPC: grpcCodes[a.GrpcStatus]}
		}
	}
	if c.Delay.Share == 0 && c.Abort.Share == 0 {
		return nil, nil
	}
	i, err := fault.New(c)
	if err != nil {
		return nil, err
	}
	return i.Transport, nil
}

// grpcCodes are gRPC's status codes by the names that Istio takes.
var grpcCodes = map[string]int{
	"CANCELLED": 1, "UNKNOWN": 2, "INVALID_ARGUMENT": 3, "DEADLINE_EXCEEDED": 4, "NOT_FOUND": 5,
	"ALREADY_EXISTS": 6, "PERMISSION_DENIED": 7, "RESOURCE_EXHAUSTED": 8, "FAILED_PRECONDITION": 9,
	"ABORTED": 10, "OUT_OF_RANGE": 11, "UNIMPLEMENTED": 12, "INTERNAL": 13, "UNAVAILABLE": 14,
	"DATA_LOSS": 15, "UNAUTHENTICATED": 16,
}
