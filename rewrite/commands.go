package rewrite

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sidecarless/mesh/internal/flow"
	"github.com/sidecarless/mesh/match"
)

// commandOf is the command of that name.
func commandOf(name, arg string, hasArg, answer bool) (command, error) {
	switch name {
	case "REQ":
		return headerCommand(name, arg, func(name string) command {
			key := match.HeaderKey(name)
			return func(s *scope) string {
				v, _ := key(s.r)
				return v
			}
		})
	case "RESP":
		if !answer {
			return nil, fmt.Errorf("the command %%RESP%% is for headers of answers")
		}
		return headerCommand(name, arg, func(name string) command {
			if name == ":status" {
				return statusOf
			}
			name = http.CanonicalHeaderKey(name)
			return func(s *scope) string { return first(s.header[name]) }
		})
	}
	if hasArg {
		return nil, fmt.Errorf("the command %%%s%% with arguments is not known", name)
	}
	if c, ok := commands(name); ok {
		return c, nil
	}
	if c, ok := answerCommands(name); ok {
		if !answer {
			return nil, fmt.Errorf("the command %%%s%% is for headers of answers", name)
		}
		return c, nil
	}
	return nil, fmt.Errorf("the command %%%s%% is not known", name)
}

// headerCommand reads "X?Y": header X or, if that is not there, Y.
func headerCommand(name, arg string, read func(string) command) (command, error) {
	main, other, hasOther := strings.Cut(arg, "?")
	if !isName(main) || hasOther && !isName(other) {
		return nil, fmt.Errorf("the command %%%s(%s)%% needs the name of a header", name, arg)
	}
	c := read(main)
	if !hasOther {
		return c, nil
	}
	d := read(other)
	return func(s *scope) string {
		if v := c(s); v != "" {
			return v
		}
		return d(s)
	}, nil
}

// isName reports whether s can name a header or a part of a request.
func isName(s string) bool { return isToken(strings.TrimPrefix(s, ":")) }

func commands(name string) (command, bool) {
	switch name {
	case "PROTOCOL":
		return protocol, true
	case "START_TIME":
		return startTime, true
	case "HOSTNAME":
		host, err := os.Hostname()
		if err != nil {
			host = "-"
		}
		return func(*scope) string { return host }, true
	case "ROUTE_NAME":
		return fromFlow(func(f *flow.Flow) string { return f.Route }), true
	case "UPSTREAM_CLUSTER":
		return fromFlow(func(f *flow.Flow) string { return f.Upstream }), true
	case "DOWNSTREAM_REMOTE_ADDRESS":
		return remote, true
	case "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT":
		return hostOf(remote), true
	case "DOWNSTREAM_REMOTE_PORT":
		return portOf(remote), true
	case "DOWNSTREAM_LOCAL_ADDRESS":
		return local, true
	case "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT":
		return hostOf(local), true
	case "DOWNSTREAM_LOCAL_PORT":
		return portOf(local), true
	case "REQUESTED_SERVER_NAME":
		return func(s *scope) string {
			if s.r.TLS == nil {
				return ""
			}
			return s.r.TLS.ServerName
		}, true
	}
	return nil, false
}

func answerCommands(name string) (command, bool) {
	switch name {
	case "RESPONSE_CODE":
		return statusOf, true
	case "UPSTREAM_HOST":
		return fromFlow(func(f *flow.Flow) string {
			if last := f.Last(); last != nil {
				return last.Endpoint()
			}
			return ""
		}), true
	}
	return nil, false
}

func statusOf(s *scope) string { return strconv.Itoa(s.status) }

func protocol(s *scope) string {
	switch {
	case s.r.ProtoMajor == 2:
		return "HTTP/2"
	case s.r.Proto == "": // a client's request
		return "HTTP/1.1"
	}
	return s.r.Proto
}

func startTime(s *scope) string {
	start := time.Now()
	if f := record(s.r); f != nil {
		start = f.Start
	}
	return start.UTC().Format("2006-01-02T15:04:05.000Z")
}

// record is the record of a request, sent or served, or nil.
func record(r *http.Request) *flow.Flow {
	if f := flow.Of(r); f != nil {
		return f
	}
	return flow.Served(r)
}

func fromFlow(read func(*flow.Flow) string) command {
	return func(s *scope) string {
		if f := record(s.r); f != nil {
			return read(f)
		}
		return ""
	}
}

func remote(s *scope) string { return s.r.RemoteAddr }

func local(s *scope) string {
	if a, ok := s.r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a.String()
	}
	return ""
}

func hostOf(addr command) command {
	return func(s *scope) string {
		host, _, err := net.SplitHostPort(addr(s))
		if err != nil {
			return addr(s)
		}
		return host
	}
}

func portOf(addr command) command {
	return func(s *scope) string {
		_, port, _ := net.SplitHostPort(addr(s))
		return port
	}
}

func first(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}
