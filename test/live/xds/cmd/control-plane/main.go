// An xDS control plane for the tests: go-control-plane's snapshot cache behind ADS (State of the World and Delta), in plaintext and with
// mutual TLS, a sink for load reports, and an HTTP port by which a test says what is served and reads what was asked. The first line of
// its output is JSON with the addresses.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"meshfetch/live/xds/internal/journal"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	loadstats "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
)

// Deltas name every resource that the client has when it connects again.
const maxReceivedBytes = 64 << 20

type addresses struct {
	Plaintext string `json:"plaintext"`
	MTLS      string `json:"mtls,omitempty"`
	Control   string `json:"control"`
}

func main() {
	plaintext := flag.String("plaintext", "127.0.0.1:0", "address of ADS in plaintext")
	mtls := flag.String("mtls", "", "address of ADS with mutual TLS; needs -cert, -key and -ca")
	control := flag.String("control", "127.0.0.1:0", "address of the HTTP control port")
	certificate := flag.String("cert", "", "PEM, leaf first; read for each handshake")
	key := flag.String("key", "", "PEM")
	ca := flag.String("ca", "", "PEM, the roots that clients are verified against")
	flag.Parse()

	events := eventLog{journal.New[event]()}
	snapshots := newSnapshots()
	streams := newStreams(events)
	xds := server.NewServer(context.Background(), snapshots.cache, server.CallbackFuncs{})
	loads := &loadSink{events: events}

	serve := func(listener net.Listener, options ...grpc.ServerOption) {
		options = append(options, grpc.StreamInterceptor(streams.intercept), grpc.ForceServerCodecV2(rawCodec{}), grpc.MaxRecvMsgSize(maxReceivedBytes))
		grpcServer := grpc.NewServer(options...)
		discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, xds)
		loadstats.RegisterLoadReportingServiceServer(grpcServer, loads)
		go func() { log.Fatal(grpcServer.Serve(streams.tracked(listener))) }()
	}
	var bound addresses
	listener := listen(*plaintext)
	bound.Plaintext = listener.Addr().String()
	serve(listener)
	if *mtls != "" {
		listener = listen(*mtls)
		bound.MTLS = listener.Addr().String()
		serve(listener, grpc.Creds(credentials.NewTLS(mutualTLS(*certificate, *key, *ca))))
	}
	controlListener := listen(*control)
	bound.Control = controlListener.Addr().String()
	first, err := json.Marshal(bound)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(first))
	log.Fatal(http.Serve(controlListener, routes(snapshots, streams, loads, events)))
}

func listen(address string) net.Listener {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

// The files are read for each handshake, so that a test can replace them.
func mutualTLS(certificate, key, ca string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, err
		}
		roots, err := os.ReadFile(ca)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(roots) {
			return nil, errors.New("no certificate in " + ca)
		}
		return &tls.Config{
			Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
			MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"},
		}, nil
	}}
}
