package istio

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// duration checks a duration as nearly all of Istio's are: at least a
// millisecond, and whole milliseconds. An absent one is right.
func (c *checker) duration(p *manifest.Path, d *durationpb.Duration) {
	if d == nil {
		return
	}
	switch v := d.AsDuration(); {
	case v < time.Millisecond:
		c.refuse(p, v, "must be at least 1ms; to have none, leave the field out")
	case v%time.Millisecond != 0:
		c.refuse(p, v, "must be whole milliseconds")
	}
}

// atLeastMillisecond checks a duration that only the schema looks at.
func (c *checker) atLeastMillisecond(p *manifest.Path, d *durationpb.Duration) {
	if d != nil && d.AsDuration() < time.Millisecond {
		c.refuse(p, d.AsDuration(), "must be at least 1ms")
	}
}
