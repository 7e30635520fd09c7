package jwt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	jose "github.com/go-jose/go-jose/v4"
)

// A keySource gives the keys of a rule.
type keySource interface {
	keys(ctx context.Context) ([]jose.JSONWebKey, error)
}

// fixed are keys that stand in the rule.
type fixed []jose.JSONWebKey

func (f fixed) keys(context.Context) ([]jose.JSONWebKey, error) { return f, nil }

// mostKeys is how many keys a set may hold: each may have to be tried.
const mostKeys = 256

// parseKeySet reads a set of keys, or a single key. Keys that are not understood,
// or are for something else than signatures, are passed over (RFC 7517 section 5),
// but some must be left. Of private keys the public half is taken.
func parseKeySet(text []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("is no set of keys in JSON: %w", err)
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{text}
	}
	if len(set.Keys) > mostKeys {
		return nil, fmt.Errorf("holds %d keys, and at most %d are read", len(set.Keys), mostKeys)
	}
	var keys []jose.JSONWebKey
	why := errors.New("the set is empty")
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		switch err := k.UnmarshalJSON(raw); {
		case err != nil:
			why = err
			continue
		case k.Use != "" && k.Use != "sig":
			why = fmt.Errorf("a key is for use %q", k.Use)
			continue
		}
		secret, symmetric := k.Key.([]byte)
		if !symmetric {
			k = k.Public()
		}
		if symmetric && len(secret) > 0 || k.Valid() {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("holds no key that verifies signatures: %w", why)
	}
	return keys, nil
}
