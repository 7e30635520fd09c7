package smi

import (
	"encoding/json"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/internal/corpus"
	"github.com/sidecarless/mesh/internal/costtest"
)

// A quantityCase has what Kubernetes makes of a text and what we are to make of it.
type quantityCase struct {
	In  string
	K8s struct {
		OK    *bool
		Milli json.Number
		Note  string
	}
	Tolerant, Strict quantityAnswer
}

type quantityAnswer struct {
	Milli int64
	Err   Code
}

func answerOf(milli int64, err error) quantityAnswer {
	if err != nil {
		return quantityAnswer{Err: err.(*Error).Code}
	}
	return quantityAnswer{Milli: milli}
}

func TestQuantitiesAreReadAsRecorded(t *testing.T) {
	for _, c := range corpus.Cases[quantityCase](t, "smi/quantity") {
		require.Equal(t, c.Tolerant, answerOf(ParseQuantity(c.In)), "%q", c.In)
		require.Equal(t, c.Strict, answerOf(Options{Strict: true}.ParseQuantity(c.In)), "strict: %q", c.In)
	}
}

func TestWhatIsAcceptedIsWhatKubernetesMakesOfIt(t *testing.T) {
	compared := 0
	for _, c := range corpus.Cases[quantityCase](t, "smi/quantity") {
		milli, err := Options{Strict: true}.ParseQuantity(c.In)
		if err == nil && c.K8s.OK != nil && *c.K8s.OK && c.K8s.Note == "" {
			want, err := c.K8s.Milli.Int64()
			require.NoError(t, err)
			require.Equal(t, want, milli, "%q", c.In)
			compared++
		}
	}
	require.Greater(t, compared, 40)
}

// What is refused costs no more than a few quantities that are none too large, however
// many digits its value would have.
func TestHugeExponentsCostNothing(t *testing.T) {
	parse := func(s string) func() {
		return func() {
			for range 1000 {
				ParseQuantity(s) //nolint:errcheck // only its time counts
			}
		}
	}
	for _, s := range []string{"1e2147483648", "1e-2147483648", "1e-1073741824", "9999999999999999999999e2000000000", strings.Repeat("9", 1<<20)} {
		_, err := ParseQuantity(s)
		require.Error(t, err)
		costtest.AtMost(t, 20, parse(s), parse("0.123456789Gi"))
	}
}

// model is the grammar as a regular expression and the value as a fraction.
func model(s string, strict bool) (milli int64, ok bool) {
	if !strict {
		s = strings.Trim(s, " \t\r\n")
	}
	m := regexp.MustCompile(`^\+?([0-9]*)(\.[0-9]*)?([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]{1,4})?$`).FindStringSubmatch(s)
	if m == nil || len(s) > 64 || strings.Trim(m[1]+m[2], ".") == "" {
		return 0, false
	}
	scale := map[string]string{"": "1", "n": "1e-9", "u": "1e-6", "m": "1e-3", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12", "P": "1e15", "E": "1e18",
		"Ki": "1024", "Mi": "1048576", "Gi": "1073741824", "Ti": "1099511627776", "Pi": "1125899906842624", "Ei": "1152921504606846976"}[m[3]]
	if scale == "" {
		if e := strings.TrimLeft(m[3][1:], "+-0"); len(e) > 2 || len(e) == 2 && e > "30" {
			return 0, false
		}
		scale = "1" + m[3]
	}
	value, ok := new(big.Rat).SetString("0" + m[1] + m[2] + "0")
	if !strings.Contains(m[2], ".") {
		value, ok = new(big.Rat).SetString("0" + m[1])
	}
	factor, ok2 := new(big.Rat).SetString(scale)
	if !ok || !ok2 {
		return 0, false
	}
	value.Mul(value, factor).Mul(value, big.NewRat(1000, 1))
	if strict && !value.IsInt() {
		return 0, false
	}
	up := new(big.Int).Add(value.Num(), new(big.Int).Sub(value.Denom(), big.NewInt(1)))
	up.Div(up, value.Denom())
	return up.Int64(), up.IsInt64() && up.Int64() <= 4_294_967_295_000
}

func FuzzQuantity(f *testing.F) {
	for _, c := range corpus.Cases[quantityCase](f, "smi/quantity") {
		f.Add(c.In)
	}
	f.Add("0.0000000000000000000000000000000000000000000000000000000001Ei")
	f.Fuzz(func(t *testing.T, s string) {
		for _, strict := range []bool{false, true} {
			milli, err := Options{Strict: strict}.ParseQuantity(s)
			want, ok := model(s, strict)
			if ok != (err == nil) || ok && milli != want {
				t.Errorf("%q (strict %v): %d, %v; want %d, %v", s, strict, milli, err, want, ok)
			}
		}
	})
}
