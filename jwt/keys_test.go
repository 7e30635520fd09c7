package jwt_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/jwt"
)

// A server of keys without a network: it answers by URL, and counts.
type site struct {
	mu    sync.Mutex
	pages map[string]string // a page that is missing is a failure
	takes time.Duration
	asked atomic.Int64
}

func (s *site) put(url, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pages == nil {
		s.pages = map[string]string{}
	}
	s.pages[url] = text
}

// RoundTrip implements http.RoundTripper.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	s.mu.Lock()
	text, ok := s.pages[r.URL.String()]
	takes := s.takes
	s.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if !ok {
		return nil, errors.New("no route to host")
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

const keysURL = idp + "/keys"

func fetching(t testing.TB, s *site, r jwt.Rule) (*jwt.Keys, *jwt.Verifier) {
	t.Helper()
	keys, err := jwt.NewKeys(jwt.KeysConfig{Client: &http.Client{Transport: s}})
	require.NoError(t, err)
	v, err := jwt.New(jwt.Config{Keys: keys, Rules: []jwt.Rule{r}})
	require.NoError(t, err)
	return keys, v
}

// run runs keys until the test of a bubble ends.
func run(t *testing.T, keys *jwt.Keys) {
	ctx, cancel := context.WithCancel(t.Context())
	var background sync.WaitGroup
	background.Go(func() { keys.Run(ctx) })
	t.Cleanup(func() { cancel(); background.Wait() })
}

func TestKeysAreFetchedWhenFirstNeeded(t *testing.T) {
	key := ecSigner("a")
	s := new(site)
	s.put(keysURL, keySet(key))
	_, v := fetching(t, s, jwt.Rule{Issuer: idp, KeysURL: keysURL})
	require.Zero(t, s.asked.Load())
	for range 3 {
		_, err := v.Verify(request(bearer(key.sign(fresh(nil)))))
		require.NoError(t, err)
	}
	require.EqualValues(t, 1, s.asked.Load())
}

func TestKeysAreFoundByTheIssuersConfiguration(t *testing.T) {
	key := ecSigner("a")
	s := new(site)
	s.put(idp+"/.well-known/openid-configuration", `{"issuer": "https://idp.example", "jwks_uri": "https://keys.example/all"}`)
	s.put("https://keys.example/all", keySet(key))
	_, v := fetching(t, s, jwt.Rule{Issuer: idp + "/"})
	_, err := v.Verify(request(bearer(key.sign(fresh(claims{"iss": idp + "/"})))))
	require.NoError(t, err)

	s.put(idp+"/.well-known/openid-configuration", `{}`)
	_, v = fetching(t, s, jwt.Rule{Issuer: idp})
	refused(t, v, request(bearer(key.sign(fresh(nil)))), 401, "Jwks remote fetch is failed")
}

func TestRunKeepsKeysCurrent(t *testing.T) {
	old, young := ecSigner("old"), ecSigner("young")
	synctest.Test(t, func(t *testing.T) {
		s := new(site)
		s.put(keysURL, keySet(old))
		keys, v := fetching(t, s, jwt.Rule{Issuer: idp, KeysURL: keysURL})
		run(t, keys)
		synctest.Wait()
		require.EqualValues(t, 1, s.asked.Load(), "before any token needs them")

		token := func(k signer) *http.Request {
			return request(bearer(k.sign(fresh(claims{"exp": time.Now().Add(time.Hour).Unix()}))))
		}
		s.put(keysURL, keySet(young))
		time.Sleep(20*time.Minute - time.Second)
		_, err := v.Verify(token(old))
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		_, err = v.Verify(token(young))
		require.NoError(t, err)
		refused(t, v, token(old), 401, "Jwks doesn't have key to match kid or alg from Jwt")

		// The last good keys stay while the issuer is away.
		s.put(keysURL, "gone")
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		_, err = v.Verify(token(young))
		require.NoError(t, err)
		s.put(keysURL, keySet(old))
		time.Sleep(61 * time.Second)
		synctest.Wait()
		_, err = v.Verify(token(old))
		require.NoError(t, err, "failures are repeated each minute")

		// Rules that come later are fetched at once.
		more := "https://more.example/keys"
		s.put(more, keySet(young))
		before := s.asked.Load()
		require.NoError(t, v.Update(jwt.Config{Keys: keys, Rules: []jwt.Rule{{Issuer: idp, KeysURL: more}}}))
		synctest.Wait()
		require.Equal(t, before+1, s.asked.Load())
	})
}

func TestWithoutRunOldKeysAreFetchedByARequest(t *testing.T) {
	old, young := ecSigner("old"), ecSigner("young")
	synctest.Test(t, func(t *testing.T) {
		s := new(site)
		s.put(keysURL, keySet(old))
		_, v := fetching(t, s, jwt.Rule{Issuer: idp, KeysURL: keysURL})
		token := func(k signer) *http.Request {
			return request(bearer(k.sign(fresh(claims{"exp": time.Now().Add(time.Hour).Unix()}))))
		}
		_, err := v.Verify(token(old))
		require.NoError(t, err)
		s.put(keysURL, keySet(young))
		time.Sleep(40*time.Minute + time.Second)
		_, err = v.Verify(token(young))
		require.NoError(t, err)
		s.put(keysURL, "gone")
		time.Sleep(time.Hour)
		before := s.asked.Load()
		for range 5 {
			_, err = v.Verify(token(young))
			require.NoError(t, err)
		}
		require.Equal(t, before+1, s.asked.Load(), "not each request tries")
	})
}

func TestWithoutKeysTokensAreRefused(t *testing.T) {
	key := ecSigner("a")
	synctest.Test(t, func(t *testing.T) {
		s := new(site)
		_, v := fetching(t, s, jwt.Rule{Issuer: idp, KeysURL: keysURL})
		token := key.sign(fresh(claims{"exp": nil}))
		for range 5 {
			refused(t, v, request(bearer(token)), 401, "Jwks remote fetch is failed")
		}
		require.EqualValues(t, 1, s.asked.Load(), "a failure is remembered for a second")
		_, err := v.Verify(request())
		require.NoError(t, err, "requests without a token need no keys")
		s.put(keysURL, keySet(key))
		time.Sleep(1100 * time.Millisecond)
		_, err = v.Verify(request(bearer(token)))
		require.NoError(t, err)
	})
}

func TestOneFetchIsForAll(t *testing.T) {
	key := ecSigner("a")
	synctest.Test(t, func(t *testing.T) {
		s := &site{takes: time.Second}
		s.put(keysURL, keySet(key))
		_, v := fetching(t, s, jwt.Rule{Issuer: idp, KeysURL: keysURL, Timeout: 3 * time.Second})
		token := key.sign(fresh(claims{"exp": nil}))
		gone, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				r := request(bearer(token))
				if i == 0 {
					r = r.WithContext(gone)
				}
				_, err := v.Verify(r)
				require.Equal(t, i == 0, err != nil)
			})
			synctest.Wait() // the first one fetches
		}
		time.Sleep(500 * time.Millisecond)
		leave() // and goes away, which does not count against the issuer
		all.Wait()
		require.EqualValues(t, 2, s.asked.Load())
	})
}

func TestAFetchIsBounded(t *testing.T) {
	key := ecSigner("a")
	synctest.Test(t, func(t *testing.T) {
		s := &site{takes: time.Minute}
		s.put(keysURL, keySet(key))
		_, v := fetching(t, s, jwt.Rule{Issuer: idp, KeysURL: keysURL})
		start := time.Now()
		refused(t, v, request(bearer(key.sign(fresh(claims{"exp": nil})))), 401, "Jwks remote fetch is failed")
		require.Equal(t, 5*time.Second, time.Since(start))
	})
	for name, page := range map[string]string{
		"too long":      keySet(key) + strings.Repeat(" ", 1<<20),
		"no JSON":       "<html>",
		"no keys":       `{"keys": []}`,
		"no usable key": `{"keys": [{"kty": "RSA"}, {"kty": "future"}]}`,
		"too many keys": `{"keys": [` + strings.Repeat(`{},`, 256) + `{}]}`,
	} {
		s := new(site)
		s.put(keysURL, page)
		_, v := fetching(t, s, jwt.Rule{Issuer: idp, KeysURL: keysURL})
		next, err := v.Verify(request(bearer(key.sign(fresh(nil)))))
		require.Nil(t, next, name)
		require.ErrorContains(t, err, "no keys to verify a token with", name)
	}
}

func TestKeysOverANetwork(t *testing.T) {
	key := ecSigner("a")
	var broken atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken.Load() {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, keySet(key))
	}))
	defer server.Close()
	keys, err := jwt.NewKeys(jwt.KeysConfig{})
	require.NoError(t, err)
	for _, bad := range []bool{false, true} {
		broken.Store(bad)
		v, err := jwt.New(jwt.Config{Keys: keys, Rules: []jwt.Rule{{KeysURL: server.URL + "/" + fmt.Sprint(bad)}}})
		require.NoError(t, err)
		_, err = v.Verify(request(bearer(key.sign(fresh(nil)))))
		require.Equal(t, bad, err != nil)
	}
}

func TestKeysForOtherThingsArePassedOver(t *testing.T) {
	key := ecSigner("a")
	forEncryption := key.public()
	forEncryption.Use = "enc"
	text, err := forEncryption.MarshalJSON()
	require.NoError(t, err)
	_, err = jwt.New(jwt.Config{Rules: []jwt.Rule{{KeySet: `{"keys": [` + string(text) + `]}`}}})
	require.ErrorContains(t, err, `jwt.Rules[0].KeySet: holds no key that verifies signatures: a key is for use "enc"`)
	// A single key, and one that is private.
	private := jose.JSONWebKey{Key: key.key, KeyID: "a"}
	text, err = private.MarshalJSON()
	require.NoError(t, err)
	_, err = verifier(t, jwt.Rule{Issuer: idp, KeySet: string(text)}).Verify(request(bearer(key.sign(fresh(nil)))))
	require.NoError(t, err)
}
