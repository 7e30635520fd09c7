package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/sidecarless/mesh"
)

// A caller sends requests to one service through one client.
type caller struct {
	name   string
	host   string
	rough  bool
	client http.RoundTripper
	ledger ledger
}

// send sends a request of a random kind, waits for its end, and notes it.
func (c *caller) send() {
	draw := rand.IntN(100)
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if draw < 5 { // gives up
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
	}
	defer cancel()
	size, most := 512, int64(1<<30)
	if draw%10 == 3 {
		size = 64 << 10
	}
	if draw%20 == 7 { // leaves the rest unread
		most = 100
	}
	method, body := http.MethodGet, io.Reader(nil)
	if draw%5 == 1 {
		method, body = http.MethodPut, bytes.NewReader(filler[:8<<10])
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.host+"/", body)
	if err != nil {
		panic(err) // the URL is ours
	}
	id := strconv.FormatUint(rand.Uint64(), 36)
	r.Header.Set(idHeader, id)
	r.Header.Set(sizeHeader, strconv.Itoa(size))
	r.Header.Set("X-User", id[:1])
	c.ledger.sent.Add(1)
	end, expected := c.end(ctx, r, id, int64(size), most)
	c.ledger.note(end, expected)
}

// end sends r and says in words how it ended, and whether that may be.
func (c *caller) end(ctx context.Context, r *http.Request, id string, size, most int64) (end string, expected bool) {
	res, err := c.client.RoundTrip(r)
	if err != nil {
		var refused *mesh.Error
		switch {
		case ctx.Err() != nil:
			return "given up", true
		case errors.As(err, &refused):
			return "refused " + string(refused.Flag), c.rough
		}
		return err.Error(), false
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, io.LimitReader(res.Body, most))
	if refused := mesh.ErrorOf(res); refused != nil {
		return fmt.Sprintf("answered for: %d %s", res.StatusCode, mesh.FlagOf(refused)), c.rough || ctx.Err() != nil
	}
	of := res.Header.Get(originHeader)
	switch {
	case ctx.Err() != nil:
		return "given up", true
	case of == "failed":
		return "answer " + strconv.Itoa(res.StatusCode), c.rough
	case res.Header.Get(idHeader) != id:
		return "the answer to another request", false
	case res.StatusCode != http.StatusOK:
		return "answer " + strconv.Itoa(res.StatusCode), false
	case err != nil:
		return "broken off", c.rough
	case n != min(size, most):
		return fmt.Sprintf("%d bytes of %d and no error", n, size), false
	case n < size:
		return "left unread", true
	}
	return "ok", true
}
