package authz_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/authz"
	"github.com/sidecarless/mesh/match"
)

// The model below says in the plainest way what policies mean. Fuzzing holds
// Decide, with its compiled tests and its index, against it.

type modelValue struct {
	kind byte // exact, prefix, suffix, present
	text string
}

func (v modelValue) fits(s string) bool {
	switch v.kind {
	case 0:
		return s == v.text
	case 1:
		return strings.HasPrefix(s, v.text)
	case 2:
		return strings.HasSuffix(s, v.text)
	}
	return true
}

func (v modelValue) value() match.Value {
	switch v.kind {
	case 0:
		return match.Exact(v.text)
	case 1:
		return match.Prefix(v.text)
	case 2:
		return match.Suffix(v.text)
	}
	return match.Present()
}

type modelSet struct{ in, notIn []modelValue }

// holds judges the values that a request has for an attribute, none if it lacks it.
func (s modelSet) holds(values ...string) bool {
	any := func(list []modelValue) bool {
		for _, v := range list {
			for _, have := range values {
				if v.fits(have) {
					return true
				}
			}
		}
		return false
	}
	return (len(s.in) == 0 || any(s.in)) && !any(s.notIn)
}

func (s modelSet) set() (set authz.Set) {
	for _, v := range s.in {
		set.In = append(set.In, v.value())
	}
	for _, v := range s.notIn {
		set.NotIn = append(set.NotIn, v.value())
	}
	return set
}

type modelRule struct {
	from []struct{ principals, namespaces modelSet }
	to   []struct{ methods, paths modelSet }
	when []modelSet // of the header x-h
}

type modelRequest struct {
	principal, method, path string
	lines                   []string
}

func (m modelRule) matches(r modelRequest) bool {
	from, to := len(m.from) == 0, len(m.to) == 0
	var id, ns []string
	if r.principal != "" {
		id = []string{r.principal}
		if parts := strings.Split(r.principal, "/"); len(parts) == 5 {
			ns = []string{parts[2]}
		}
	}
	for _, s := range m.from {
		from = from || s.principals.holds(id...) && s.namespaces.holds(ns...)
	}
	for _, o := range m.to {
		to = to || o.methods.holds(r.method) && o.paths.holds(r.path)
	}
	for _, s := range m.when {
		if !s.holds(r.lines...) {
			return false
		}
	}
	return from && to
}

func (m modelRule) rule() (r authz.Rule) {
	for _, s := range m.from {
		r.From = append(r.From, authz.Source{Principals: s.principals.set(), Namespaces: s.namespaces.set()})
	}
	for _, o := range m.to {
		r.To = append(r.To, authz.Operation{Methods: o.methods.set(), Paths: o.paths.set()})
	}
	for _, s := range m.when {
		r.When = append(r.When, authz.Condition{Key: "request.headers[x-h]", Values: s.set()})
	}
	return r
}

type modelPolicy struct {
	action authz.Action
	rules  []modelRule
}

// decide is Istio's order: a refusal, then a permission, if any policy permits.
func decide(policies []modelPolicy, r modelRequest) (allowed bool, policy, rule int) {
	for _, action := range []authz.Action{authz.Deny, authz.Allow} {
		there := false
		for i, p := range policies {
			if p.action != action {
				continue
			}
			there = true
			for j, rule := range p.rules {
				if rule.matches(r) {
					return action == authz.Allow, i, j
				}
			}
		}
		if action == authz.Allow && there {
			return false, -1, 0
		}
	}
	return true, -1, 0
}

// bytes makes choices of what a fuzzer gives.
type bytes []byte

func (b *bytes) pick(n int) int {
	if len(*b) == 0 {
		return 0
	}
	c := (*b)[0]
	*b = (*b)[1:]
	return int(c) % n
}

func (b *bytes) value(texts []string) modelValue {
	return modelValue{byte(b.pick(4)), texts[b.pick(len(texts))]}
}

func (b *bytes) set(texts []string) (s modelSet) {
	for range b.pick(3) {
		s.in = append(s.in, b.value(texts))
	}
	for range b.pick(6) / 4 {
		s.notIn = append(s.notIn, b.value(texts))
	}
	return s
}

var (
	modelPrincipals = []string{frontend, batch, "other/ns/shop/sa/frontend", "cluster.local/", "/sa/frontend", "td/odd"}
	modelNamespaces = []string{"shop", "jobs", "s", "p"}
	modelMethods    = []string{"GET", "POST", "P", "T"}
	modelPaths      = []string{"/", "/a", "/b", "/a/b", "/ab", "b"}
	modelLines      = []string{"", "1", "2", "12"}
)

func (b *bytes) policy() (p modelPolicy) {
	p.action = authz.Action(b.pick(2))
	for range b.pick(4) {
		var r modelRule
		for range b.pick(3) {
			r.from = append(r.from, struct{ principals, namespaces modelSet }{b.set(modelPrincipals), b.set(modelNamespaces)})
		}
		for range b.pick(3) {
			r.to = append(r.to, struct{ methods, paths modelSet }{b.set(modelMethods), b.set(modelPaths)})
		}
		for range b.pick(6) / 4 {
			s := b.set(modelLines)
			if len(s.in)+len(s.notIn) > 0 {
				r.when = append(r.when, s)
			}
		}
		p.rules = append(p.rules, r)
	}
	return p
}

func (b *bytes) request() (r modelRequest) {
	r.principal = append([]string{""}, modelPrincipals...)[b.pick(len(modelPrincipals)+1)]
	r.method = modelMethods[b.pick(2)]
	r.path = modelPaths[b.pick(5)]
	for range b.pick(3) {
		r.lines = append(r.lines, modelLines[b.pick(len(modelLines))])
	}
	return r
}

func FuzzDecideIsThePlainMeaning(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x02\x00\x02\x01\x01\x00\x00\x01\x01\x00\x02\x01\x01\x02\x03"))
	f.Add([]byte("\x03\x01\x03\x02\x02\x00\x01\x00\x02\x05\x01\x01\x00\x02\x02\x01\x00\x01\x00\x01\x01\x05\x02\x00\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := bytes(data)
		var policies []modelPolicy
		var c authz.Config
		for i := range b.pick(4) {
			p := b.policy()
			policies = append(policies, p)
			real := authz.Policy{Name: string(rune('a' + i)), Action: p.action}
			for _, r := range p.rules {
				real.Rules = append(real.Rules, r.rule())
			}
			c.Policies = append(c.Policies, real)
		}
		a := newAuthorizer(t, c)
		for range 4 {
			m := b.request()
			r := request(m.method+" "+m.path, func(r *http.Request) { r.Header["X-H"] = m.lines })
			if m.principal != "" {
				by(m.principal)(r)
			}
			want := authz.Decision{}
			allowed, policy, rule := decide(policies, m)
			want.Allowed = allowed
			if policy >= 0 {
				want.Policy, want.Rule, want.Action = string(rune('a'+policy)), rule, policies[policy].action
			}
			require.Equal(t, want, a.Decide(r), "%+v of %+v", m, policies)
			explained, _ := a.Explain(r)
			require.Equal(t, want, explained, "an explanation is of the decision")
		}
	})
}
