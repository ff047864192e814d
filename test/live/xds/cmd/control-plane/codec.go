package main

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // registers "proto"
	"google.golang.org/grpc/mem"
)

// Bytes that are sent as they are, message or not.
type rawFrame []byte

type rawCodec struct{}

func (rawCodec) Marshal(message any) (mem.BufferSlice, error) {
	if frame, isRaw := message.(rawFrame); isRaw {
		return mem.BufferSlice{mem.SliceBuffer(frame)}, nil
	}
	return encoding.GetCodecV2("proto").Marshal(message)
}

func (rawCodec) Unmarshal(data mem.BufferSlice, message any) error {
	return encoding.GetCodecV2("proto").Unmarshal(data, message)
}

func (rawCodec) Name() string { return "proto" }
