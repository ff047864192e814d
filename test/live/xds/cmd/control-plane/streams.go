package main

import (
	"context"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	loadstats "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
)

// Every stream that is open, between gRPC and the snapshot server: it writes down what passes, and can hold it back, add to it and
// break it off.
type streams struct {
	events eventLog
	mutex  sync.Mutex
	last   int64
	open   map[int64]*stream
	conns  map[net.Conn]struct{}
	// Set: new streams end with it at once.
	refusal *status.Status
	// Set: nothing is sent until it is closed.
	hold chan struct{}
}

type stream struct {
	grpc.ServerStream
	number  int64
	variant string
	owner   *streams
	context context.Context
	end     chan error

	mutex   sync.Mutex
	isEnded bool
	node    string
	// Of the last answer of the snapshot server, by type.
	nonces   map[string]string
	versions map[string]string
	// Nonces that the snapshot server does not know.
	injected map[string]bool
}

func newStreams(events eventLog) *streams {
	return &streams{events: events, open: map[int64]*stream{}, conns: map[net.Conn]struct{}{}}
}

func (s *streams) intercept(service any, incoming grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	variant := map[string]string{
		discovery.AggregatedDiscoveryService_StreamAggregatedResources_FullMethodName: "state-of-the-world",
		discovery.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName:  "delta",
		loadstats.LoadReportingService_StreamLoadStats_FullMethodName:                 "load",
	}[info.FullMethod]
	ctx, cancel := context.WithCancel(incoming.Context())
	defer cancel()
	s.mutex.Lock()
	s.last++
	opened := &stream{
		ServerStream: incoming, number: s.last, variant: variant, owner: s, context: ctx, end: make(chan error, 1),
		nonces: map[string]string{}, versions: map[string]string{}, injected: map[string]bool{},
	}
	s.open[opened.number] = opened
	refusal := s.refusal
	s.mutex.Unlock()
	s.events.add(event{Kind: "open", Stream: opened.number, Variant: variant})
	defer func() {
		s.mutex.Lock()
		delete(s.open, opened.number)
		s.mutex.Unlock()
		opened.mutex.Lock()
		opened.isEnded = true
		opened.mutex.Unlock()
		s.events.add(event{Kind: "close", Stream: opened.number, Variant: variant})
	}()
	if refusal != nil {
		return refusal.Err()
	}
	go func() {
		err := handler(service, opened)
		select {
		case opened.end <- err:
		default:
		}
	}()
	return <-opened.end
}

// Ends every stream with this status.
func (s *streams) drop(code codes.Code, message string) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, open := range s.open {
		select {
		case open.end <- status.Error(code, message):
		default:
		}
	}
	return len(s.open)
}

// Breaks off every TCP connection.
func (s *streams) reset() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for conn := range s.conns {
		if tcp, isTCP := conn.(*trackedConn).Conn.(*net.TCPConn); isTCP {
			_ = tcp.SetLinger(0)
		}
		_ = conn.(*trackedConn).Conn.Close()
	}
	return len(s.conns)
}

func (s *streams) refuse(refusal *status.Status) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.refusal = refusal
}

// Whether what is to be sent is held back.
func (s *streams) hang(isHeld bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if isHeld == (s.hold != nil) {
		return
	}
	if isHeld {
		s.hold = make(chan struct{})
		return
	}
	close(s.hold)
	s.hold = nil
}

// Sends an answer that the snapshot server knows nothing of on every stream of the variant.
func (s *streams) inject(variant string, message any, typeURL, nonce string) (int, error) {
	s.mutex.Lock()
	open := make([]*stream, 0, len(s.open))
	for _, one := range s.open {
		if one.variant == variant {
			open = append(open, one)
		}
	}
	s.mutex.Unlock()
	for _, one := range open {
		one.mutex.Lock()
		one.injected[nonce] = true
		one.mutex.Unlock()
		if err := one.SendMsg(message); err != nil {
			return 0, err
		}
	}
	return len(open), nil
}

func (s *stream) Context() context.Context { return s.context }

func (s *stream) SendMsg(message any) error {
	s.owner.mutex.Lock()
	hold := s.owner.hold
	s.owner.mutex.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-s.context.Done():
			return s.context.Err()
		}
	}
	// One after another: an injected answer comes from another goroutine.
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.isEnded {
		return status.Error(codes.Canceled, "the stream was dropped")
	}
	sent := event{Kind: "response", Stream: s.number, Variant: s.variant, Node: s.node}
	switch response := message.(type) {
	case *discovery.DiscoveryResponse:
		sent.TypeURL, sent.Version, sent.Nonce = response.GetTypeUrl(), response.GetVersionInfo(), response.GetNonce()
		sent.Bytes = proto.Size(response)
	case *discovery.DeltaDiscoveryResponse:
		sent.TypeURL, sent.Version, sent.Nonce = response.GetTypeUrl(), response.GetSystemVersionInfo(), response.GetNonce()
		sent.Bytes, sent.Removed = proto.Size(response), response.GetRemovedResources()
		for _, resource := range response.GetResources() {
			sent.Names = append(sent.Names, resource.GetName())
		}
	case rawFrame:
		sent.Kind, sent.Bytes = "garbage", len(response)
	}
	if sent.Nonce != "" && !s.injected[sent.Nonce] {
		s.nonces[sent.TypeURL], s.versions[sent.TypeURL] = sent.Nonce, sent.Version
	}
	s.owner.events.add(sent)
	return s.ServerStream.SendMsg(message)
}

func (s *stream) RecvMsg(message any) error {
	if err := s.ServerStream.RecvMsg(message); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	received := event{Kind: "request", Stream: s.number, Variant: s.variant}
	switch request := message.(type) {
	case *discovery.DiscoveryRequest:
		s.node = orElse(request.GetNode().GetId(), s.node)
		received.TypeURL, received.Version, received.Nonce = request.GetTypeUrl(), request.GetVersionInfo(), request.GetResponseNonce()
		received.Names, received.Bytes = request.GetResourceNames(), proto.Size(request)
		received.Code, received.Message = request.GetErrorDetail().GetCode(), request.GetErrorDetail().GetMessage()
		received.Body = nodeOf(request.GetNode())
		received.Kind = kindOf(received.Nonce, request.GetErrorDetail() != nil)
		if s.injected[request.ResponseNonce] {
			request.ResponseNonce, request.VersionInfo = s.nonces[request.TypeUrl], s.versions[request.TypeUrl]
			request.ErrorDetail = nil
		}
	case *discovery.DeltaDiscoveryRequest:
		s.node = orElse(request.GetNode().GetId(), s.node)
		received.TypeURL, received.Nonce, received.Known = request.GetTypeUrl(), request.GetResponseNonce(), request.GetInitialResourceVersions()
		received.Names, received.Removed = request.GetResourceNamesSubscribe(), request.GetResourceNamesUnsubscribe()
		received.Bytes = proto.Size(request)
		received.Code, received.Message = request.GetErrorDetail().GetCode(), request.GetErrorDetail().GetMessage()
		received.Body = nodeOf(request.GetNode())
		received.Kind = kindOf(received.Nonce, request.GetErrorDetail() != nil)
		if s.injected[request.ResponseNonce] {
			request.ResponseNonce, request.ErrorDetail = s.nonces[request.TypeUrl], nil
		}
	case *loadstats.LoadStatsRequest:
		s.node = orElse(request.GetNode().GetId(), s.node)
		received.Kind = "load"
		received.Body, _ = protojson.Marshal(request)
	}
	received.Node = s.node
	s.owner.events.add(received)
	return nil
}

// A request that answers nothing is a `request`, whatever it subscribes to; the others are `ack` or `nack`.
func kindOf(nonce string, isRefusal bool) string {
	if isRefusal {
		return "nack"
	}
	if nonce == "" {
		return "request"
	}
	return "ack"
}

func nodeOf(node proto.Message) []byte {
	if !node.ProtoReflect().IsValid() {
		return nil
	}
	body, err := protojson.Marshal(node)
	if err != nil {
		return nil
	}
	return body
}

func orElse(text, other string) string {
	if text != "" {
		return text
	}
	return other
}
