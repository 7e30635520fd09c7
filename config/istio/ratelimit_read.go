package istio

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sidecarless/mesh"
	"github.com/sidecarless/mesh/config/internal/manifest"
	inbound "github.com/sidecarless/mesh/config/internal/security"
	"github.com/sidecarless/mesh/internal/check"
	"github.com/sidecarless/mesh/limit"
	"github.com/sidecarless/mesh/match"
)

func readRateLimit(d *decoder, all *manifest.Mapping) any {
	l := &RateLimit{}
	d.envelope(all)
	d.checkMetadata()
	p := manifest.Top("spec")
	if spec := all.Get("spec"); spec != nil {
		d.Decode(p, spec.Value, l)
	}
	d.selectorLabels(p.Field("selector").Field("matchLabels"), l.Selector.MatchLabels)
	if len(l.Rules) == 0 {
		d.refuse(p.Field("rules"), nil, "is missing: a RateLimit without rules limits nothing")
	}
	names := map[string]int{}
	for i := range l.Rules {
		r := &l.Rules[i]
		at := p.Field("rules").At(i)
		if first, twice := names[r.Name]; twice && r.Name != "" {
			d.refuse(at.Field("name"), r.Name, "is the name of rules[%d], too", first)
		}
		names[r.Name] = i
		_, err := r.limiter()
		for problem := range mesh.Problems(err) {
			d.refuse(manifest.Top(at.String()+"."+problem.Field), problem.Value, "%s", problem.Reason)
		}
	}
	return l
}

// limiter is the rule as package limit has it. Problems have the fields of the rule
// as they are written.
func (r *RateLimitRule) limiter() (limit.Config, error) {
	var l check.List
	c := limit.Config{
		MaxKeys: r.MaxKeys, Status: r.Status, Headers: r.RateLimitHeaders,
		ResourceExhausted: r.ResourceExhausted, DryRun: r.DryRun,
	}
	c.Rate, c.Burst = r.TokenBucket.rate(&l)
	if r.Key != nil {
		c.Key = r.Key.key(&l)
	}
	switch {
	case r.MaxKeys < 0:
		l.Add("maxKeys", r.MaxKeys, "must not be negative")
	case r.MaxKeys > 0 && r.Key == nil:
		l.Add("maxKeys", r.MaxKeys, "stands without a key; one bucket needs no bound")
	}
	for i, e := range r.Exempt {
		c.Exempt = append(c.Exempt, e.request(&l, fmt.Sprintf("exempt[%d]", i)))
	}
	if r.Status != 0 && (r.Status < 400 || r.Status > 599) {
		l.Add("status", r.Status, "must be 400 to 599, since the request is refused")
	}
	if len(r.Headers) > 0 {
		c.Header = http.Header{}
	}
	for _, name := range sortedKeys(r.Headers) {
		headerName(&l, "headers["+name+"]", name)
		if strings.ContainsAny(r.Headers[name], "\r\n\x00") {
			l.Add("headers["+name+"]", r.Headers[name], "must be one line")
		}
		c.Header.Set(name, r.Headers[name])
	}
	return c, l.Err()
}

// minFill is the least fill_interval that Envoy takes.
const minFill = 50 * time.Millisecond

// rate is how many tokens flow back each second, and how many there are at most.
func (b *TokenBucket) rate(l *check.List) (perSecond float64, most int) {
	interval, err := time.ParseDuration(b.FillInterval)
	switch {
	case b.FillInterval == "":
		l.Add("tokenBucket.fillInterval", nil, "is missing")
	case err != nil:
		l.Add("tokenBucket.fillInterval", b.FillInterval, "is no duration: write it like 10s, 250ms or 1m30s")
	case interval < minFill:
		l.Add("tokenBucket.fillInterval", b.FillInterval, "must be at least 50ms")
	}
	if b.MaxTokens < 1 {
		l.Add("tokenBucket.maxTokens", b.MaxTokens, "must be at least 1")
	}
	fill := b.TokensPerFill
	if fill == 0 {
		fill = 1
	} else if fill < 0 {
		l.Add("tokenBucket.tokensPerFill", fill, "must not be negative")
	}
	return float64(fill) / max(interval, minFill).Seconds(), b.MaxTokens
}

// key reads of a request what the rule's buckets are told apart by.
func (k *RateLimitKey) key(l *check.List) match.Key {
	var all []match.Key
	if k.Header != "" {
		headerName(l, "key.header", k.Header)
		all = append(all, match.HeaderKey(k.Header))
	}
	if k.Identity != nil {
		all = append(all, limit.PerIdentity)
	}
	if k.Address != nil {
		all = append(all, match.PeerKey())
	}
	if len(k.Paths) > 0 {
		key, err := limit.PerPath(k.Paths...)
		l.Include("key.paths", err)
		all = append(all, key)
	}
	if len(all) != 1 {
		l.Add("key", nil, "needs exactly one of header, identity, address and paths")
		return nil
	}
	return all[0]
}

// request is what the exemption describes.
func (e *Exemption) request(l *check.List, field string) match.Request {
	var r match.Request
	if e.Method != "" {
		r.Method = inbound.Text(e.Method)
	}
	if e.Path != "" {
		r.Path = inbound.Path(e.Path)
		if _, err := match.NewStrings(r.Path); err != nil || e.Path[0] != '/' && e.Path[0] != '*' {
			l.Add(field+".path", e.Path, "must be a path, with a star at one end at most, or a template such as /users/{*}")
		}
	}
	for _, name := range sortedKeys(e.Headers) {
		headerName(l, field+".headers["+name+"]", name)
		r.Headers = append(r.Headers, match.Field{Name: name, Value: inbound.Text(e.Headers[name])})
	}
	if r.IsZero() {
		l.Add(field, nil, "is empty: it would exempt all requests")
	}
	return r
}

func headerName(l *check.List, field, name string) {
	if !plainNameForm.MatchString(name) {
		l.Add(field, name, "must be the name of a header, of letters, digits, - and _")
	}
}
