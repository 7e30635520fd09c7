package main

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// startServers starts a server for each port of the resources and gives back the
// resources with the ports that the system chose.
func startServers(resources string) (stop func(), document string, err error) {
	var servers []*http.Server
	stop = func() {
		for _, s := range servers {
			s.Close()
		}
	}
	for i, name := range []string{"v1 replica-1", "v1 replica-2", "v1 replica-3", "v2 replica-1"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			stop()
			return nil, "", err
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) })
		server := &http.Server{Handler: mux}
		servers = append(servers, server)
		go server.Serve(listener)
		port := listener.Addr().(*net.TCPAddr).Port
		resources = strings.Replace(resources, fmt.Sprint("http: ", 18081+i), fmt.Sprint("http: ", port), 1)
	}
	return stop, resources, nil
}
