// Command canary promotes releases in steps of 5, 25, 50 and 100 %, and takes one
// back that fails under more load.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/sidecarless/mesh/access"
	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/examples/internal/demo"
)

//go:embed mesh.yaml
var resources string

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("canary: ", err)
	}
}

func run() error {
	var deployed atomic.Pointer[http.Handler] // version 2 as it is now
	pods, err := demo.Start(map[string]http.Handler{
		"10.0.1.1:8080": demo.Says("v1"),
		"10.0.1.2:8080": demo.Says("v1"),
		"10.0.2.1:8080": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*deployed.Load()).ServeHTTP(w, r) }),
	})
	if err != nil {
		return err
	}
	defer pods.Close()

	config, err := parse(0)
	if err != nil {
		return err
	}
	// A sink is told each request once, when it has ended. This is what the
	// promotion goes by: the answers of each version, and not those of both.
	var v1, v2 demo.Tally
	watch := func(_ context.Context, r access.Record) {
		seen := &v1
		if strings.Contains(r.Upstream, "|v2|") {
			seen = &v2
		}
		seen.Add(fmt.Sprintf("%dxx", r.Status/100))
	}
	mesh, err := istio.NewClient(config, istio.ClientConfig{Dial: pods.Dial, Sinks: []access.Sink{watch}})
	if err != nil {
		return err
	}
	defer mesh.Close()
	client := &http.Client{Transport: mesh}

	fmt.Println("release  share  answers  failures")
	for _, release := range []struct {
		name    string
		handler http.Handler
		want    state
	}{
		{"2.0", leaking(200), steppedBack},
		{"2.1", demo.Says("v2"), promoted},
	} {
		deployed.Store(&release.handler)
		p := begin()
		for p.state == promoting {
			config, err := parse(p.share())
			if err != nil {
				return err
			}
			if err := mesh.Update(config); err != nil {
				return err
			}
			_, err = demo.Count(400, func() (string, error) {
				_, text, err := demo.Get(client, "http://my-app/")
				return text, err
			})
			if err != nil {
				return err
			}
			old, fresh := v1.Take(), v2.Take()
			stable, canary := tally{old.Total(), old["5xx"]}, tally{fresh.Total(), fresh["5xx"]}
			fmt.Printf("%-7s  %3d %%  %7d  %8d\n", release.name, p.share(), canary.answers, canary.failures)
			if !demo.Plausible(canary.answers, 400, float64(p.share())/100) {
				return fmt.Errorf("%d of 400 requests are not %d %%", canary.answers, p.share())
			}
			p.observed(stable, canary)
		}
		fmt.Printf("%-7s  %3d %%  %s\n", release.name, p.share(), p.state)
		if p.state != release.want {
			return fmt.Errorf("release %s was %s", release.name, p.state)
		}
	}
	return nil
}

// parse reads the resources with another share for version 2.
func parse(share int) (*istio.Config, error) {
	return istio.Parse("mesh.yaml", strings.NewReader(demo.Weights(resources, 100-share, share)))
}

// leaking is a release that fails once it has served so many requests.
func leaking(healthy int64) http.Handler {
	var served atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if served.Add(1) > healthy {
			http.Error(w, "out of file descriptors", http.StatusInternalServerError)
		}
	})
}
