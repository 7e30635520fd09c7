package mirror

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/internal/check"
)

// A Config says which requests are copied, and to where.
type Config struct {
	// Name stands for the destination in records and logs; empty is the address of
	// Server, or "mirror".
	Name string

	// To sends the copies. It must be set.
	To http.RoundTripper

	// Server is where To sends them, such as "http://reviews-v2:9080". Empty leaves
	// the address of the request itself, for a To that has endpoints of its own.
	Server string

	// Share of the requests that are copied. Zero is none.
	Share mesh.Fraction

	// Timeout is for a copy with its answer. Zero is 15 s.
	Timeout time.Duration

	// MaxBody is in bytes: a request with a larger body is not copied. Zero is 64 KiB,
	// negative copies none that has a body.
	MaxBody int64

	// MaxCopies is how many are under way at once. Zero is 64.
	MaxCopies int

	// Shadow appends "-shadow" to the copy's Host, before its port, as Envoy does
	// unless it is told not to (Istio tells it). Otherwise the Host stays.
	Shadow bool

	// From is the address of this process. If it is set, copies tell it in
	// x-forwarded-for, and that they come from inside in x-envoy-internal, as those
	// of Envoy do.
	From netip.Addr

	// Edit changes a copy before it is sent, its headers say. The copy is its own,
	// but for the body. Nil changes nothing.
	Edit func(r *http.Request)

	// Compare holds answers against those to the copies. Nil does not.
	Compare *Compare

	// Logger is told of copies that fail, at the level Debug, and of answers that
	// differ, at Info. Nil is silent.
	Logger *slog.Logger

	// Rand draws 64 random bits, for a run that is to be repeated; it is called by
	// several goroutines at once. Nil is math/rand/v2.
	Rand func() uint64
}

// Compare says what of two answers must be equal. The status always must.
type Compare struct {
	Headers []string // the values of these
	Body    bool     // the bodies: JSON by what it says, everything else by its bytes

	// Ignore are the JSON fields that may differ, wherever in the document they
	// are.
	Ignore []string

	MaxBody int64         // bytes; longer bodies are not compared; zero is 64 KiB
	Sample  mesh.Fraction // of the differences that are logged; zero is 1 %
}

// The values that stand for zero.
const (
	defaultTimeout   = 15 * time.Second
	defaultMaxBody   = 64 << 10
	defaultMaxCopies = 64
)

// A plan is a compiled Config.
type plan struct {
	Config
	name    string
	server  *url.URL // nil: the request's own address
	compare Compare
	fields  map[string]bool // of Compare.Ignore
}

func compile(c Config) (*plan, error) {
	l := check.List{Prefix: "mirror"}
	p := &plan{Config: c, name: c.Name}
	if c.To == nil {
		l.Add("To", nil, "is missing: there is nothing that sends the copies")
	}
	if c.Server != "" {
		u, err := url.Parse(c.Server)
		switch {
		case err != nil:
			l.Add("Server", c.Server, "is no URL: %v", err)
		case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			l.Add("Server", c.Server, "must be http:// or https:// and an address")
		case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil:
			l.Add("Server", c.Server, "must be no more than a scheme and an address; copies keep their path")
		default:
			p.server = u
		}
	}
	l.Share("Share", c.Share)
	l.NotNegative("Timeout", c.Timeout)
	if c.MaxCopies < 0 {
		l.Add("MaxCopies", c.MaxCopies, "must not be negative; a Share of zero makes no copies")
	}
	if p.Timeout == 0 {
		p.Timeout = defaultTimeout
	}
	if p.MaxBody == 0 {
		p.MaxBody = defaultMaxBody
	}
	if p.MaxCopies == 0 {
		p.MaxCopies = defaultMaxCopies
	}
	if p.name == "" && p.server != nil {
		p.name = p.server.Host
	}
	if p.name == "" {
		p.name = "mirror"
	}
	if c.Compare != nil {
		p.compareWith(&l, *c.Compare)
	}
	return p, l.Err()
}

func (p *plan) compareWith(l *check.List, c Compare) {
	l.Share("Compare.Sample", c.Sample)
	if c.MaxBody < 0 {
		l.Add("Compare.MaxBody", c.MaxBody, "must not be negative")
	}
	if len(c.Ignore) > 0 && !c.Body {
		l.Add("Compare.Ignore", c.Ignore, "is for bodies, which are not compared")
	}
	if c.MaxBody == 0 {
		c.MaxBody = defaultMaxBody
	}
	if c.Sample == 0 {
		c.Sample = mesh.Percent(1)
	}
	names := make([]string, len(c.Headers))
	for i, name := range c.Headers {
		names[i] = textproto.CanonicalMIMEHeaderKey(name)
	}
	c.Headers = names
	p.compare = c
	p.fields = make(map[string]bool, len(c.Ignore))
	for _, name := range c.Ignore {
		p.fields[name] = true
	}
}
