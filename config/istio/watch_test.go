package istio_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sidecarless/mesh/config/istio"
)

const look = 2 * time.Millisecond

// named is a document that is right, with a name of its own.
func named(name string) string {
	return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " + name + "}\n" +
		"spec: {hosts: [a.com], http: [{directResponse: {status: 200}}]}\n"
}

const bad = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: bad}\nspec: {hosts: [a.com], http: 1}\n"

// A watched folder with what was applied of it.
type watched struct {
	*istio.Watcher
	t       *testing.T
	dir     string
	applied chan string // the names of VirtualServices, joined
	reload  chan os.Signal
}

// watch watches a folder that has a file with the VirtualService "first".
func watch(t *testing.T, layOut func(dir string)) *watched {
	w := &watched{t: t, dir: t.TempDir(), applied: make(chan string, 100), reload: make(chan os.Signal)}
	if layOut == nil {
		layOut = func(dir string) { w.write("mesh.yaml", named("first")) }
	}
	layOut(w.dir)
	w.Watcher = &istio.Watcher{Paths: []string{w.dir}, Interval: look}
	var err error
	w.Loaded, err = istio.ParseFiles(w.dir)
	require.NoError(t, err)
	w.Apply = func(c *istio.Config) error {
		var names []string
		for _, vs := range c.VirtualServices() {
			names = append(names, vs.Name)
		}
		if slices.Contains(names, "refused") {
			return errors.New("refused")
		}
		w.applied <- strings.Join(names, " ")
		return nil
	}
	return w
}

// start runs the watcher for as long as the test.
func (w *watched) start() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx, w.reload) }()
	w.t.Cleanup(func() {
		cancel()
		require.ErrorIs(w.t, <-ended, context.Canceled)
	})
}

// write puts a whole file into the folder at once: with looks as frequent as
// these a slow machine could show a file twice between its being emptied and filled.
func (w *watched) write(name, content string) {
	aside := filepath.Join(w.t.TempDir(), name)
	require.NoError(w.t, os.WriteFile(aside, []byte(content), 0o644))
	require.NoError(w.t, os.Rename(aside, filepath.Join(w.dir, name)))
}

// next is what is applied next.
func (w *watched) next() string {
	select {
	case names := <-w.applied:
		return names
	case <-time.After(30 * time.Second):
		w.t.Fatal("nothing was applied")
		return ""
	}
}

func TestAWatcherAppliesAChangedFile(t *testing.T) {
	w := watch(t, nil)
	w.start()
	w.write("mesh.yaml", named("second"))
	require.Equal(t, "second", w.next())
	require.Eventually(t, func() bool { return w.Status().Reloads == 1 }, 30*time.Second, look)
	require.False(t, w.Status().Loaded.IsZero())
}

func TestAWatcherSeesWhatChangedBeforeItRan(t *testing.T) {
	w := watch(t, nil)
	w.write("mesh.yaml", named("second"))
	w.start()
	require.Equal(t, "second", w.next())
}

func TestAWatcherAppliesFilesThatComeAndGo(t *testing.T) {
	w := watch(t, nil)
	w.start()
	w.write("more.yaml", named("more"))
	require.Equal(t, "first more", w.next())
	require.NoError(t, os.Remove(filepath.Join(w.dir, "mesh.yaml")))
	require.Equal(t, "more", w.next())
}

func TestAWatcherSeesAnEditorsRename(t *testing.T) {
	w := watch(t, nil)
	w.start()
	w.write(".mesh.yaml.swp", named("second"))
	require.NoError(t, os.Rename(filepath.Join(w.dir, ".mesh.yaml.swp"), filepath.Join(w.dir, "mesh.yaml")))
	require.Equal(t, "second", w.next())
}

// Kubernetes lays out a mounted ConfigMap as mesh.yaml -> ..data/mesh.yaml and
// ..data -> ..2026_1, and swaps ..data.
func TestAWatcherSeesTheSwapOfAMountedConfigMap(t *testing.T) {
	link := func(dir, to, name string) {
		require.NoError(t, os.Symlink(to, filepath.Join(dir, name)))
	}
	version := func(dir, name, vs string) {
		require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, "mesh.yaml"), []byte(named(vs)), 0o644))
	}
	w := watch(t, func(dir string) {
		version(dir, "..1", "first")
		link(dir, "..1", "..data")
		link(dir, "..data/mesh.yaml", "mesh.yaml")
	})
	w.start()
	version(w.dir, "..2", "second")
	link(w.dir, "..2", "..data_tmp")
	require.NoError(t, os.Rename(filepath.Join(w.dir, "..data_tmp"), filepath.Join(w.dir, "..data")))
	require.Equal(t, "second", w.next())
}

func TestAWatcherFollowsALinkedFolder(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"one", "two"} {
		require.NoError(t, os.Mkdir(filepath.Join(root, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, name, "mesh.yaml"), []byte(named(name)), 0o644))
	}
	current := filepath.Join(root, "current")
	require.NoError(t, os.Symlink("one", current))
	w := watch(t, nil)
	w.Paths, w.Loaded = []string{current}, nil
	w.start()
	require.Equal(t, "one", w.next(), "without a configuration to start from the first is new")
	require.NoError(t, os.Symlink("two", current+"~"))
	require.NoError(t, os.Rename(current+"~", current))
	require.Equal(t, "two", w.next())
}

func TestAWatcherKeepsTheLastGoodResources(t *testing.T) {
	for name, content := range map[string]string{"documents that are wrong": bad, "resources that are refused": named("refused")} {
		t.Run(name, func(t *testing.T) {
			w := watch(t, nil)
			w.start()
			before := time.Now()
			w.write("mesh.yaml", content)
			require.Eventually(t, func() bool { return w.Status().Failures == 1 }, 30*time.Second, look)
			s := w.Status()
			require.Error(t, s.Err)
			require.WithinRange(t, s.Failed, before, time.Now())
			require.Empty(t, w.applied)

			w.write("mesh.yaml", named("first"))
			require.Equal(t, "first", w.next(), "what is right again is in force again")
			require.Eventually(t, func() bool { return w.Status().Err == nil }, 30*time.Second, look)
			require.Zero(t, w.Status().Failed)
		})
	}
}

func TestAWatcherReadsOnRequestWhatHasNotChanged(t *testing.T) {
	w := watch(t, nil)
	w.Interval = time.Hour
	w.start()
	w.reload <- syscall.SIGHUP
	require.Equal(t, "first", w.next())
}

func TestAWatcherRefusesTheStandardInput(t *testing.T) {
	w := istio.Watcher{Paths: []string{"-"}}
	require.ErrorContains(t, w.Run(context.Background(), nil), "standard input")
}
