package libraries_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A fleet is two servers that answer and an endpoint that hangs up.
type fleet struct {
	endpoints []string
	hungUp    atomic.Int64
	close     []io.Closer
}

func start() *fleet {
	f := new(fleet)
	for range 2 {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
		f.endpoints = append(f.endpoints, s.Listener.Addr().String())
		f.close = append(f.close, closer(s.Close))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // there is no network
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.hungUp.Add(1)
			c.Close()
		}
	}()
	f.endpoints = append(f.endpoints, l.Addr().String())
	f.close = append(f.close, l)
	return f
}

type closer func()

func (f closer) Close() error { f(); return nil }

// tried is how often the dead endpoint was.
func (f *fleet) tried() int { return int(f.hungUp.Load()) }

func (f *fleet) Close() error {
	var errs []error
	for _, c := range f.close {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// The page shows what is compiled and run here.
func TestThePageShowsThisCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/coming-from-libraries.md")
	require.NoError(t, err)
	for _, name := range []string{"before", "after"} {
		source, err := os.ReadFile(name + "_test.go")
		require.NoError(t, err)
		function := regexp.MustCompile(`(?ms)^func ` + name + `\(.*?^}`).FindString(string(source))
		require.NotEmpty(t, function)
		require.True(t, strings.Contains(string(page), "```go\n"+function+"\n```"), "%s has changed", name)
	}
}
