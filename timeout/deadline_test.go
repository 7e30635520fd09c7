package timeout

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pair is a deadline beside the context that it stands for, under the same parent.
func pair(parent context.Context, after time.Duration) (ours *deadline, standard context.Context, end func()) {
	ours = &deadline{Context: parent, at: time.Now().Add(after)}
	standard, cancel := context.WithTimeout(parent, after)
	return ours, standard, func() { ours.end(); cancel() }
}

// looks are the ways in which a context is looked at.
var looks = map[string]func(context.Context) any{
	"Err": func(ctx context.Context) any { return ctx.Err() },
	"Done": func(ctx context.Context) any {
		select {
		case <-ctx.Done():
			return true
		default:
			return false
		}
	},
	"Cause":    func(ctx context.Context) any { return context.Cause(ctx) },
	"Deadline": func(ctx context.Context) any { at, ok := ctx.Deadline(); return [2]any{at, ok} },
	"child": func(ctx context.Context) any {
		child, cancel := context.WithCancel(context.WithValue(ctx, aKey, 1))
		defer cancel()
		return [2]any{child.Err(), context.Cause(child)}
	},
	"AfterFunc": func(ctx context.Context) any {
		called := make(chan struct{})
		stop := context.AfterFunc(ctx, func() { close(called) })
		defer stop()
		synctest.Wait()
		select {
		case <-called:
			return true
		default:
			return false
		}
	},
	"Value":         func(ctx context.Context) any { return ctx.Value(aKey) },
	"WithoutCancel": func(ctx context.Context) any { return context.WithoutCancel(ctx).Err() },
}

type lookKey struct{}

var aKey = lookKey{}

// A deadline shows what a context of package context shows, at any time and whatever
// was looked at before.
func TestADeadlineIsAStandardContext(t *testing.T) {
	gone := errors.New("gone")
	type step struct {
		after time.Duration
		do    string
	}
	for name, steps := range map[string][]step{
		"the time is over":          {{0, ""}, {999 * time.Millisecond, ""}, {1 * time.Millisecond, ""}, {time.Second, ""}},
		"the request ends in time":  {{0, ""}, {time.Millisecond, "end"}, {2 * time.Second, ""}},
		"the request ends too late": {{2 * time.Second, "end"}, {time.Second, ""}},
		"its caller goes":           {{0, ""}, {time.Millisecond, "gone"}, {2 * time.Second, ""}, {0, "end"}},
	} {
		for first := range looks {
			for second, look := range looks {
				t.Run(name+"/"+first+"/"+second, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						parent, leave := context.WithCancelCause(context.WithValue(t.Context(), aKey, "value"))
						defer leave(nil)
						ours, standard, end := pair(parent, time.Second)
						for i, s := range steps {
							time.Sleep(s.after)
							synctest.Wait()
							switch s.do {
							case "end":
								end()
							case "gone":
								leave(gone)
							}
							if i == 1 {
								require.Equal(t, looks[first](standard), looks[first](ours))
							}
							if i != 0 {
								require.Equal(t, look(standard), look(ours), "step %d", i)
							}
						}
					})
				})
			}
		}
	}
}

// Which of two ends came first it does not know if nobody looked between them.
func TestADeadlineThatNobodyLookedAtHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, late := range []bool{false, true} {
			parent, leave := context.WithCancel(t.Context())
			ours, _, end := pair(parent, time.Second)
			if late {
				time.Sleep(time.Second)
			} else {
				end()
			}
			leave()
			require.ErrorIs(t, ours.Err(), context.Canceled)
			require.Equal(t, true, looks["Done"](ours))
			end()
		}
	})
}

func TestTheEarlierDeadlineCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, outer := range []time.Duration{time.Second / 2, 2 * time.Second} {
			parent, cancel := context.WithTimeout(t.Context(), outer)
			ours, standard, end := pair(parent, time.Second)
			require.Equal(t, looks["Deadline"](standard), looks["Deadline"](ours))
			time.Sleep(time.Second)
			require.Equal(t, context.DeadlineExceeded, ours.Err())
			end()
			cancel()
		}
	})
}

func TestNobodyWhoDoesNotLookPaysForATimer(t *testing.T) {
	d := &deadline{Context: t.Context(), at: time.Now().Add(time.Hour)}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		d.ended = false
		d.Value(aKey)
		d.Deadline()
		if d.Err() != nil {
			t.Fatal("it has ended")
		}
		d.end()
	}))
	require.Nil(t, d.made)
}
