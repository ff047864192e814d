// A SPIFFE Workload API for the tests, over a unix socket and TCP: go-spiffe's service, its own certificate authorities, and an HTTP
// control port by which a test says which SVIDs the workload has. It stands in for a SPIRE agent, which attests the caller instead of
// being told. The first line of its output is JSON with the addresses.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc"
)

type addresses struct {
	Unix    string `json:"unix,omitempty"`
	TCP     string `json:"tcp"`
	Control string `json:"control"`
}

func main() {
	socket := flag.String("unix", "", "path of the socket; none without it")
	tcp := flag.String("tcp", "127.0.0.1:0", "address of the service over TCP")
	control := flag.String("control", "127.0.0.1:0", "address of the HTTP control port")
	flag.Parse()

	state := newState()
	grpcServer := grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(grpcServer, &service{state: state})
	serve := func(listener net.Listener) { go func() { log.Fatal(grpcServer.Serve(listener)) }() }

	bound := addresses{Unix: *socket}
	if *socket != "" {
		_ = os.Remove(*socket)
		serve(listen("unix", *socket))
	}
	listener := listen("tcp", *tcp)
	bound.TCP = listener.Addr().String()
	serve(listener)
	controlListener := listen("tcp", *control)
	bound.Control = controlListener.Addr().String()
	first, err := json.Marshal(bound)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(first))
	log.Fatal(http.Serve(controlListener, routes(state)))
}

func listen(network, address string) net.Listener {
	listener, err := net.Listen(network, address)
	if err != nil {
		log.Fatal(err)
	}
	return listener
}
