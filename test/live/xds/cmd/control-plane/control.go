package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"

	"meshfetch/live/xds/internal/control"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	loadstats "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"
)

// The control port:
//
//	PUT|GET|DELETE /snapshots/{node}   what a node gets; `*` = every node without its own
//	GET  /events?after=N&waitMs=M      what happened after event N; waits for one
//	POST /drop    {code, message}      every stream ends with this status
//	POST /reset                        every connection is broken off
//	PUT  /refuse  {code, message}      new streams end with this status; {} = they do not
//	PUT  /hang    {isHeld}             nothing is sent, until it is false again
//	POST /inject  {variant, typeUrl, version, nonce, resources: [{name, typeUrl, value (base64)}], removed}
//	POST /garbage {variant, bytes (base64)}    a frame that is no message
//	PUT  /load    LoadStatsResponse as JSON: what a load reporting client is asked for
func routes(snapshots *snapshots, streams *streams, loads *loadSink, events eventLog) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /snapshots/{node}", control.Answering(func(request *http.Request, body []byte) (any, error) {
		return nil, snapshots.set(request.PathValue("node"), body)
	}))
	mux.HandleFunc("GET /snapshots/{node}", control.Answering(func(request *http.Request, _ []byte) (any, error) {
		body, isThere := snapshots.body(request.PathValue("node"))
		if !isThere {
			return nil, fmt.Errorf("no snapshot for %q", request.PathValue("node"))
		}
		return body, nil
	}))
	mux.HandleFunc("DELETE /snapshots/{node}", control.Answering(func(request *http.Request, _ []byte) (any, error) {
		snapshots.clear(request.PathValue("node"))
		return nil, nil
	}))
	mux.HandleFunc("GET /events", control.Answering(func(request *http.Request, _ []byte) (any, error) {
		return events.Asked(request), nil
	}))
	mux.HandleFunc("POST /drop", control.Answering(func(_ *http.Request, body []byte) (any, error) {
		said, err := control.StatusOf(body)
		if err != nil || said == nil {
			return nil, orError(err, "say a code")
		}
		return streams.drop(said.Code(), said.Message()), nil
	}))
	mux.HandleFunc("POST /reset", control.Answering(func(*http.Request, []byte) (any, error) { return streams.reset(), nil }))
	mux.HandleFunc("PUT /refuse", control.Answering(func(_ *http.Request, body []byte) (any, error) {
		said, err := control.StatusOf(body)
		if err == nil {
			streams.refuse(said)
		}
		return nil, err
	}))
	mux.HandleFunc("PUT /hang", control.Answering(func(_ *http.Request, body []byte) (any, error) {
		var said struct{ IsHeld bool }
		err := json.Unmarshal(body, &said)
		if err == nil {
			streams.hang(said.IsHeld)
		}
		return nil, err
	}))
	mux.HandleFunc("POST /inject", control.Answering(func(_ *http.Request, body []byte) (any, error) { return inject(streams, body) }))
	mux.HandleFunc("POST /garbage", control.Answering(func(_ *http.Request, body []byte) (any, error) {
		var said struct {
			Variant string
			Bytes   []byte
		}
		if err := json.Unmarshal(body, &said); err != nil {
			return nil, err
		}
		return orZero(streams.inject(said.Variant, rawFrame(said.Bytes), "", ""))
	}))
	mux.HandleFunc("PUT /load", control.Answering(func(_ *http.Request, body []byte) (any, error) {
		answer := &loadstats.LoadStatsResponse{}
		if err := protojson.Unmarshal(body, answer); err != nil {
			return nil, err
		}
		loads.set(answer)
		return nil, nil
	}))
	return mux
}

func inject(streams *streams, body []byte) (any, error) {
	var said struct {
		Variant, TypeURL, Version, Nonce string
		Resources                        []struct{ Name, TypeURL, Value string }
		Removed                          []string
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return nil, err
	}
	sotw := &discovery.DiscoveryResponse{TypeUrl: said.TypeURL, VersionInfo: said.Version, Nonce: said.Nonce}
	delta := &discovery.DeltaDiscoveryResponse{TypeUrl: said.TypeURL, SystemVersionInfo: said.Version, Nonce: said.Nonce, RemovedResources: said.Removed}
	for _, resource := range said.Resources {
		value, err := base64.StdEncoding.DecodeString(resource.Value)
		if err != nil {
			return nil, err
		}
		packed := &anypb.Any{TypeUrl: resource.TypeURL, Value: value}
		sotw.Resources = append(sotw.Resources, packed)
		delta.Resources = append(delta.Resources, &discovery.Resource{Name: resource.Name, Version: said.Version, Resource: packed})
	}
	if said.Variant == "delta" {
		return orZero(streams.inject(said.Variant, delta, said.TypeURL, said.Nonce))
	}
	return orZero(streams.inject(said.Variant, sotw, said.TypeURL, said.Nonce))
}

func orError(err error, text string) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%s", text)
}

func orZero(count int, err error) (any, error) { return count, err }
