package main

import (
	"encoding/json"

	"meshfetch/live/xds/internal/journal"
)

// What happened.
type event struct {
	// 1 for the first.
	Number int    `json:"number"`
	Kind   string `json:"kind"`
	// Number of the stream, over all listeners.
	Stream  int64             `json:"stream,omitempty"`
	Variant string            `json:"variant,omitempty"`
	Node    string            `json:"node,omitempty"`
	TypeURL string            `json:"typeUrl,omitempty"`
	Version string            `json:"version,omitempty"`
	Nonce   string            `json:"nonce,omitempty"`
	Names   []string          `json:"names,omitempty"`
	Removed []string          `json:"removed,omitempty"`
	Known   map[string]string `json:"known,omitempty"`
	Code    int32             `json:"code,omitempty"`
	Message string            `json:"message,omitempty"`
	Bytes   int               `json:"bytes,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

type eventLog struct{ *journal.Journal[event] }

func (l eventLog) add(happened event) {
	l.Add(func(number int) event {
		happened.Number = number
		return happened
	})
}
