package istio

import (
	"errors"
	"regexp"
	"regexp/syntax"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/sidecarless/mesh/config/internal/manifest"
)

// maxRegex bounds a regular expression, in bytes.
const maxRegex = 1024

// stringMatch checks a match of a header or another value, where an empty
// prefix is not allowed.
func (c *checker) stringMatch(p *manifest.Path, m *networking.StringMatch) {
	if prefix, ok := m.GetMatchType().(*networking.StringMatch_Prefix); ok && prefix.Prefix == "" {
		c.refuse(p.Field("prefix"), nil, "must not be empty; {} matches whatever is present")
		return
	}
	c.stringRegex(p, m)
}

// stringRegex checks a match whose regular expression alone can be wrong.
func (c *checker) stringRegex(p *manifest.Path, m *networking.StringMatch) {
	if re, ok := m.GetMatchType().(*networking.StringMatch_Regex); ok {
		if re.Regex == "" {
			c.refuse(p.Field("regex"), nil, "must not be empty; {} matches whatever is present")
			return
		}
		c.regex(p.Field("regex"), re.Regex)
	}
}

// regex checks a regular expression.
func (c *checker) regex(p *manifest.Path, re string) {
	if len(re) > maxRegex {
		c.refuse(p, nil, "is %d bytes long, and at most %d are allowed", len(re), maxRegex)
		return
	}
	if _, err := regexp.Compile(re); err != nil {
		var detail *syntax.Error
		if re == "*" {
			c.refuse(p, re, "is no regular expression; any value is .*, and {} is whatever is present")
		} else if errors.As(err, &detail) {
			c.refuse(p, re, "is no regular expression of RE2: %s: %s", detail.Code, detail.Expr)
		} else {
			c.refuse(p, re, "is no regular expression of RE2: %v", err)
		}
	}
}
