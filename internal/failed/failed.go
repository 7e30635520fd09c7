// Package failed keeps with an answer the error for which it was made.
//
// The answer's body knows that, too, but others may put their own around it, as
// [http.Client] does for its Timeout. The answer and its request they leave alone.
package failed

import (
	"context"
	"net/http"
)

// A mark is in the context of an answer's request.
type mark struct {
	err error
	res *http.Response // that was made for err: the request may be sent again
	of  *http.Request  // of which the answer's request is a copy
}

type key struct{}

// Mark makes res the answer to r that was made for err.
func Mark(res *http.Response, r *http.Request, err error) {
	res.Request = r.WithContext(context.WithValue(r.Context(), key{}, &mark{err, res, r}))
}

// Of is the error for which res was made, or nil.
func Of(res *http.Response) error {
	if m := markOf(res); m != nil {
		return m.err
	}
	return nil
}

// Rename makes res an answer to r if it is one to sent, the copy of r that a layer
// has sent.
func Rename(res *http.Response, sent, r *http.Request) {
	if res.Request == sent {
		res.Request = r
	} else if m := markOf(res); m != nil && m.of == sent {
		Mark(res, r, m.err)
	}
}

func markOf(res *http.Response) *mark {
	if res.Request == nil {
		return nil
	}
	if m, ok := res.Request.Context().Value(key{}).(*mark); ok && m.res == res {
		return m
	}
	return nil
}
