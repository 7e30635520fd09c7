package ratelimit_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	common "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rls "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"
)

// A service is a rate limit service that counts: each descriptor of which it knows
// the limit has so many hits, and windows do not end while a test runs.
type service struct {
	rls.UnimplementedRateLimitServiceServer
	server *grpc.Server
	conn   *grpc.ClientConn
	served sync.WaitGroup

	limits map[string]*rls.RateLimitResponse_RateLimit // by descriptor, as written by name
	more   []*core.HeaderValue                         // for answers
	onward []*core.HeaderValue                         // for requests
	body   string

	// answer, if set, answers in place of all that.
	answer func(context.Context, *rls.RateLimitRequest) (*rls.RateLimitResponse, error)

	mu    sync.Mutex // guards all below
	hits  map[string]uint32
	asked []*rls.RateLimitRequest
}

// startService starts a service. The caller stops it.
func startService() *service {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s := &service{server: grpc.NewServer(), hits: map[string]uint32{}, limits: map[string]*rls.RateLimitResponse_RateLimit{}}
	rls.RegisterRateLimitServiceServer(s.server, s)
	s.served.Go(func() { s.server.Serve(l) }) //nolint:errcheck // it ends with stop
	if s.conn, err = grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		panic(err)
	}
	return s
}

func (s *service) stop() { s.conn.Close(); s.server.Stop(); s.served.Wait() }

func newService(t testing.TB) *service {
	s := startService()
	t.Cleanup(s.stop)
	return s
}

// limit makes a limit of so many requests an hour for a descriptor.
func (s *service) limit(descriptor string, most uint32) {
	s.limits[descriptor] = &rls.RateLimitResponse_RateLimit{RequestsPerUnit: most, Unit: rls.RateLimitResponse_RateLimit_HOUR}
}

// name writes a descriptor: "user=anna,path=/orders".
func name(d *common.RateLimitDescriptor) string {
	var all []string
	for _, e := range d.Entries {
		all = append(all, e.Key+"="+e.Value)
	}
	return strings.Join(all, ",")
}

// ShouldRateLimit implements the API.
func (s *service) ShouldRateLimit(ctx context.Context, q *rls.RateLimitRequest) (*rls.RateLimitResponse, error) {
	if s.answer != nil {
		return s.answer(ctx, q)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, q)
	said := &rls.RateLimitResponse{OverallCode: rls.RateLimitResponse_OK, ResponseHeadersToAdd: s.more, RequestHeadersToAdd: s.onward}
	for _, d := range q.Descriptors {
		key := name(d)
		status := &rls.RateLimitResponse_DescriptorStatus{Code: rls.RateLimitResponse_OK, CurrentLimit: s.limits[key]}
		if most := s.limits[key]; most != nil {
			s.hits[key] += max(q.HitsAddend, 1)
			status.DurationUntilReset = &durationpb.Duration{Seconds: 1800}
			status.LimitRemaining = most.RequestsPerUnit - min(s.hits[key], most.RequestsPerUnit)
			if s.hits[key] > most.RequestsPerUnit {
				status.Code, said.OverallCode = rls.RateLimitResponse_OVER_LIMIT, rls.RateLimitResponse_OVER_LIMIT
				said.RawBody = []byte(s.body)
			}
		}
		said.Statuses = append(said.Statuses, status)
	}
	return said, nil
}

// questions are the descriptors of each call so far.
func (s *service) questions() (all [][]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.asked {
		var names []string
		for _, d := range q.Descriptors {
			names = append(names, name(d))
		}
		all = append(all, names)
	}
	return all
}
