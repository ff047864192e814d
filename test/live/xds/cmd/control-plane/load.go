package main

import (
	"sync"

	loadstats "github.com/envoyproxy/go-control-plane/envoy/service/load_stats/v3"
	"google.golang.org/protobuf/proto"
)

// Takes load reports; they are in the journal. What it answers is asked of it by the test.
type loadSink struct {
	loadstats.UnimplementedLoadReportingServiceServer
	events eventLog
	mutex  sync.Mutex
	answer *loadstats.LoadStatsResponse
}

// For streams that open from now on; none is answered before the first.
func (l *loadSink) set(answer *loadstats.LoadStatsResponse) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.answer = answer
}

func (l *loadSink) StreamLoadStats(stream loadstats.LoadReportingService_StreamLoadStatsServer) error {
	if _, err := stream.Recv(); err != nil {
		return err
	}
	l.mutex.Lock()
	answer := l.answer
	l.mutex.Unlock()
	if answer != nil {
		if err := stream.Send(proto.Clone(answer).(*loadstats.LoadStatsResponse)); err != nil {
			return err
		}
	}
	for {
		if _, err := stream.Recv(); err != nil {
			return err
		}
	}
}
