package retry

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/sidecarless/mesh/internal/flow"
)

// errLost ends an attempt when another one was answered first.
var errLost = errors.New("retry: another attempt was answered first")

// hedges says after what time an attempt gets company, if the request may be
// hedged.
func (c *call) hedges() (time.Duration, bool) {
	h := c.rules.config.Hedge
	if !h.on() || streams(c.request) || !idempotent(c.request.Method, c.header) {
		return 0, false
	}
	if h.Quantile > 0 {
		if d, ok := c.policy.late.at(h.Quantile); ok {
			return d, true
		}
	}
	return h.After, h.After > 0
}

// attempt makes an attempt, and others beside it when its answer is late. It is
// the one of them that was answered well, or else the last one.
func (c *call) attempt(s *sending) (*flow.Try, *http.Response, error) {
	if !s.hedged {
		res, err := c.send(s)
		return s.try, res, err
	}
	r := race{call: c, results: make(chan result, 1+c.rules.config.Hedge.Max)}
	return r.run(s)
}

// A race is an attempt with company. Only the goroutine that runs it changes it.
type race struct {
	*call
	results chan result
	running []*sending
	dropped []*flow.Try // attempts that have ended, not yet told to the balancer
}

type result struct {
	*sending
	res      *http.Response
	err      error
	panicked any
}

func (r *race) run(s *sending) (*flow.Try, *http.Response, error) {
	late := time.NewTimer(s.late)
	defer late.Stop()
	r.launch(s)
	for hedges := r.rules.config.Hedge.Max; ; {
		select {
		case end := <-r.results:
			r.leave(end)
			if end.panicked != nil {
				r.settle(end.try)
				panic(end.panicked)
			}
			good := end.err == nil && r.rules.ofAnswer(end.res.StatusCode, end.res.Header) == ""
			if good || len(r.running) == 0 {
				if good && end.extra {
					r.policy.counts.hedgesWon.Add(1)
				}
				r.settle(end.try)
				return end.try, end.res, end.err
			}
			if end.err != nil && r.rules.budget.countsActive() {
				r.rules.budget.ended()
			}
			now := time.Now()
			go r.policy.discard(end.res, now)
			r.note(end.try, end.res, end.err, "while another attempt was under way", now)
			r.dropped = append(r.dropped, end.try)
		case <-late.C:
			if hedges > 0 && r.hedge() {
				hedges--
				late.Reset(s.late)
			}
		}
	}
}

func (r *race) launch(s *sending) {
	r.running = append(r.running, s)
	go func() {
		end := result{sending: s}
		defer func() {
			// A panic belongs to the goroutine of the request, which others may guard.
			end.panicked = recover()
			r.results <- end
		}()
		end.res, end.err = r.send(s)
	}()
}

// hedge begins another attempt if the budget grants one.
func (r *race) hedge() bool {
	s := &sending{extra: true}
	if !r.again(s) {
		return false
	}
	if !r.rules.budget.take(time.Now()) {
		r.policy.counts.overBudget.Add(1)
		if s.body != nil {
			s.body.Close() //nolint:errcheck // nobody has read it
		}
		return false
	}
	r.policy.counts.hedges.Add(1)
	r.begun++
	r.inform()
	r.open(s, r.begun, newAttempt(r.ctx, r.perTry()))
	r.launch(s)
	return true
}

// leave takes an attempt that has ended out of those that run.
func (r *race) leave(end result) {
	for i, s := range r.running {
		if s == end.sending {
			r.running = append(r.running[:i], r.running[i+1:]...)
			break
		}
	}
	if end.extra {
		r.rules.budget.done()
	}
}

// inform lists the attempts that have ended or run, of which the next one will be
// told, once all that run have a host.
func (r *race) inform() {
	for _, s := range r.running {
		if !s.try.Begun() {
			return
		}
	}
	r.flow.More.Tries = append(r.flow.More.Tries, r.dropped...)
	r.dropped = nil
	for _, s := range r.running {
		if !s.told {
			s.told = true
			r.flow.More.Tries = append(r.flow.More.Tries, s.try)
		}
	}
}

// settle cancels the attempts that still run and completes the request's history
// but for the attempt that counts, which is left to whoever judges it.
func (r *race) settle(counts *flow.Try) {
	// Attempts that run may still read the list that they were told.
	r.flow.More.Tries = slices.DeleteFunc(slices.Concat(r.flow.More.Tries, r.dropped), func(t *flow.Try) bool { return t == counts })
	for _, s := range r.running {
		s.try.Lose()
	}
	r.flow.More.Won(counts)
	if len(r.running) == 0 {
		return
	}
	for _, s := range r.running {
		s.attempt.cancel(errLost)
		if !s.try.Begun() {
			continue // and has no host, as yet
		}
		r.note(s.try, nil, errLost, "", time.Now())
		if !s.told {
			r.flow.More.Tries = append(r.flow.More.Tries, s.try)
		}
	}
	go r.bury(len(r.running))
}

// bury waits for attempts that were cancelled, and for what is left of their
// answers.
func (r *race) bury(n int) {
	for range n {
		end := <-r.results
		if end.extra {
			r.rules.budget.done()
		}
		r.policy.discard(end.res, time.Now())
		if end.err != nil && r.rules.budget.countsActive() {
			r.rules.budget.ended()
		}
	}
}
