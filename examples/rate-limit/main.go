// Command rate-limit gives each user of a service five requests a second and ten
// at once, and shows what the one who asks for more gets, and what the others do.
package main

import (
	_ "embed"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/sidecarless/mesh/config/istio"
	"github.com/sidecarless/mesh/examples/internal/demo"
)

//go:embed mesh.yaml
var resources string

// What the resources say.
const (
	rate  = 5
	burst = 10
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("rate-limit: ", err)
	}
}

func run() error {
	config, err := istio.Parse("mesh.yaml", strings.NewReader(resources))
	if err != nil {
		return err
	}
	app, err := istio.NewServer(config, istio.ServerConfig{
		Workload: istio.Workload{Namespace: "production", Labels: map[string]string{"app": "app"}},
	})
	if err != nil {
		return err
	}
	defer app.Close()
	server := httptest.NewServer(app.Handler(demo.Says("hello")))
	defer server.Close()
	ask := func(path, user string) (*http.Response, error) {
		res, _, err := demo.Get(server.Client(), server.URL+path, "X-User", user)
		return res, err
	}

	begin := time.Now()
	counts, err := demo.Count(50, func() (string, error) {
		res, err := ask("/", "greedy")
		if err != nil {
			return "", err
		}
		return res.Status, nil
	})
	if err != nil {
		return err
	}
	fmt.Println("fifty requests of one user at once:")
	counts.Print("answer")
	if granted, most := counts.Of("200"), burst+1+int(rate*time.Since(begin).Seconds()); granted < burst || granted > most {
		return fmt.Errorf("%d requests passed, which is not %d to %d", granted, burst, most)
	}

	fmt.Println("\nthen:")
	for _, r := range []struct{ path, user string }{{"/", "modest"}, {"/healthz", "greedy"}} {
		res, err := ask(r.path, r.user)
		if err != nil {
			return err
		}
		show(r.path, r.user, res)
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s for %s is %s", r.path, r.user, res.Status)
		}
	}
	res, err := ask("/", "greedy")
	for err == nil && res.StatusCode == http.StatusOK { // a token has come back
		res, err = ask("/", "greedy")
	}
	if err != nil {
		return err
	}
	show("/", "greedy", res)
	wait, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil {
		return err
	}
	time.Sleep(time.Duration(wait) * time.Second)
	if res, err = ask("/", "greedy"); err != nil {
		return err
	}
	show("/", "greedy", res)
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the wait was not long enough: %s", res.Status)
	}
	for name, s := range app.Limits() {
		fmt.Printf("%s: %d passed, %d were refused, %d were exempt, %d users are known\n", name, s.Allowed, s.Limited, s.Exempted, s.Keys)
	}
	return nil
}

// show writes a line about an answer.
func show(path, user string, res *http.Response) {
	fmt.Printf("  %-8s %-6s  %s", path, user, res.Status)
	for _, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", "Retry-After"} {
		if v := res.Header.Get(name); v != "" {
			fmt.Printf("  %s: %s", name, v)
		}
	}
	fmt.Println()
}
