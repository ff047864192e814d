package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// For nodes that have no snapshot of their own when their stream opens.
const everyNode = "*"

// The part of a snapshot's JSON in which resources of a type are.
var partOfType = map[string]string{
	resource.ListenerType: "listeners", resource.RouteType: "routes", resource.ClusterType: "clusters",
	resource.EndpointType: "endpoints", resource.SecretType: "secrets", resource.ExtensionConfigType: "extensions",
}

type snapshots struct {
	cache cache.SnapshotCache
	mutex sync.Mutex
	// What was put, by node.
	put map[string]json.RawMessage
}

func newSnapshots() *snapshots {
	s := &snapshots{put: map[string]json.RawMessage{}}
	// Not the ADS mode of the cache: that one never answers a client which names a part of the snapshot.
	s.cache = cache.NewSnapshotCache(false, s, nil)
	return s
}

// ID says which snapshot a node gets.
func (s *snapshots) ID(node *core.Node) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if _, isOwn := s.put[node.GetId()]; isOwn {
		return node.GetId()
	}
	return everyNode
}

// Body: {version, versions?: {listeners: "7"}, listeners?: [...], routes?, clusters?, endpoints?, secrets?, extensions?}, each resource in
// the JSON form of protobuf.
func (s *snapshots) set(node string, body []byte) error {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(body, &parts); err != nil {
		return err
	}
	known := map[string]bool{"version": true, "versions": true}
	var version string
	if err := json.Unmarshal(parts["version"], &version); err != nil {
		return fmt.Errorf("version: %w", err)
	}
	versions := map[string]string{}
	if parts["versions"] != nil {
		if err := json.Unmarshal(parts["versions"], &versions); err != nil {
			return fmt.Errorf("versions: %w", err)
		}
	}
	snapshot := &cache.Snapshot{}
	for typeURL, part := range partOfType {
		known[part] = true
		resources, err := decode(typeURL, part, parts[part])
		if err != nil {
			return err
		}
		of := version
		if own, isSaid := versions[part]; isSaid {
			of = own
		}
		snapshot.Resources[cache.GetResponseType(typeURL)] = cache.NewResources(of, resources)
	}
	for part := range parts {
		if !known[part] {
			return fmt.Errorf("a snapshot has no part %q", part)
		}
	}
	s.mutex.Lock()
	s.put[node] = body
	s.mutex.Unlock()
	return s.cache.SetSnapshot(context.Background(), node, snapshot)
}

func (s *snapshots) body(node string) (json.RawMessage, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	body, isThere := s.put[node]
	return body, isThere
}

func (s *snapshots) clear(node string) {
	s.mutex.Lock()
	delete(s.put, node)
	s.mutex.Unlock()
	s.cache.ClearSnapshot(node)
}

func decode(typeURL, part string, body json.RawMessage) ([]types.Resource, error) {
	if body == nil {
		return nil, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", part, err)
	}
	resources := make([]types.Resource, 0, len(list))
	for index, one := range list {
		message, err := newMessage(typeURL)
		if err != nil {
			return nil, err
		}
		if err := protojson.Unmarshal(one, message); err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", part, index, err)
		}
		resources = append(resources, message)
	}
	return resources, nil
}

func newMessage(typeURL string) (proto.Message, error) {
	name := protoreflect.FullName(typeURL[len("type.googleapis.com/"):])
	found, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return found.New().Interface(), nil
}
