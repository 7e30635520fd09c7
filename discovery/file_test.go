package discovery

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sidecarless/mesh/lb"
	"github.com/stretchr/testify/require"
)

func write(t *testing.T, path, text string) {
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestAFileIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "endpoints.json")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f, err := NewFile(FileConfig{Path: path, Rand: middle, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		s := start(t, f.Run)
		next := func() { pass(2 * time.Second) }

		synctest.Wait()
		require.Zero(t, s.count())
		require.ErrorIs(t, f.Stats().Err, os.ErrNotExist)

		write(t, path, `[{"addr": "10.0.0.1:80", "weight": 2, "priority": 1, "locality": "r/z/s", "labels": {"v": "1"}}, {"addr": "10.0.0.2:80", "localityWeight": 3, "hashKey": "b"}]`)
		next()
		require.Equal(t, [][]lb.Endpoint{{
			{Addr: "10.0.0.1:80", Weight: 2, Priority: 1, Locality: lb.Locality{Region: "r", Zone: "z", SubZone: "s"}, Labels: map[string]string{"v": "1"}},
			{Addr: "10.0.0.2:80", LocalityWeight: 3, HashKey: "b"},
		}}, s.sets)
		require.NoError(t, f.Stats().Err)

		// Half written, then gone: nothing changes.
		write(t, path, `[{"addr": "10.0.0.1:80"`)
		next()
		require.ErrorContains(t, f.Stats().Err, "unexpected EOF")
		require.NoError(t, os.Remove(path))
		pass(time.Minute)
		require.Equal(t, 1, s.count())
		require.Equal(t, 2, f.Stats().Endpoints)
		require.Greater(t, f.Stats().Age(time.Now()), time.Minute)
		require.Contains(t, log.String(), "endpoints not refreshed")

		// Back as it was: current again, but no change.
		write(t, path, `[{"addr": "10.0.0.1:80", "weight": 2, "priority": 1, "locality": "r/z/s", "labels": {"v": "1"}}, {"addr": "10.0.0.2:80", "localityWeight": 3, "hashKey": "b"}]`)
		next()
		require.NoError(t, f.Stats().Err)
		require.Equal(t, 1, s.count())

		write(t, path, `[]`)
		next()
		require.Equal(t, 2, s.count())
		require.Empty(t, s.addrs(), "an empty list is meant")
	})
}

func TestFilesOfEndpointsAreReadStrictly(t *testing.T) {
	for text, reason := range map[string]string{
		``:                                "EOF",
		`null`:                            "no list",
		`{"addr": "10.0.0.1:80"}`:         "cannot unmarshal object",
		`[{"adr": "10.0.0.1:80"}]`:        "unknown field",
		`[{"addr": "10.0.0.1:80"}] []`:    "more than one list",
		`[{"weight": 1}]`:                 "[0].addr",
		`[{"addr": "a:1", "weight": -1}]`: "weight",
		`[{"addr": "a:1"}, {"addr": "b:1", "locality": "/z"}]`: "[1].locality",
	} {
		_, err := parseEndpoints([]byte(text))
		require.ErrorContains(t, err, reason, "%s", text)
	}
	_, err := NewFile(FileConfig{Interval: -1})
	require.ErrorContains(t, err, "discovery.Path")
	require.ErrorContains(t, err, "discovery.Interval")
}

func FuzzParseEndpoints(f *testing.F) {
	f.Add([]byte(`[{"addr": "10.0.0.1:80", "weight": 2, "priority": 1, "locality": "r/z/s", "labels": {"v": "1"}}]`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parseEndpoints(text)
		if err != nil {
			return
		}
		if !json.Valid(text) || list == nil {
			t.Errorf("taken though it is no list: %q", text)
		}
		for _, e := range list {
			if e.Addr == "" {
				t.Errorf("an endpoint without address: %q", text)
			}
		}
	})
}
