package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/status"

	"meshfetch/live/xds/internal/journal"
)

// What the workload has been given.
type entry struct {
	SVIDs []svidEntry `json:"svids"`
	// Trust domains whose bundles come with the SVIDs.
	Federated []string `json:"federated"`
	// Certificate revocation lists, as they are.
	CRLs [][]byte `json:"crls"`
	// Of JWT-SVIDs; 5 minutes when it is not said.
	TokenLifetimeMs int64 `json:"tokenLifetimeMs"`
}

type svidEntry struct {
	SpiffeID   string `json:"spiffeId"`
	Hint       string `json:"hint"`
	LifetimeMs int64  `json:"lifetimeMs"`
	// Replaces what would be issued: DER.
	Chain []byte `json:"chain"`
	Key   []byte `json:"key"`
}

type state struct {
	calls *journal.Journal[call]
	mutex sync.Mutex
	entry entry
	// Set: every call ends with it.
	denial      *status.Status
	authorities map[string]*authority
	changed     chan struct{}
}

// A call that arrived.
type call struct {
	Number int    `json:"number"`
	Method string `json:"method"`
	// How often the mandatory header was there.
	Headers []string `json:"headers"`
}

func newState() *state {
	return &state{calls: journal.New[call](), authorities: map[string]*authority{}, changed: make(chan struct{})}
}

// Changes something; every open stream then says the news.
func (s *state) change(apply func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	apply()
	close(s.changed)
	s.changed = make(chan struct{})
}

type view struct {
	entry   entry
	denial  *status.Status
	changed chan struct{}
}

func (s *state) now() view {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return view{entry: s.entry, denial: s.denial, changed: s.changed}
}

// The authority of a trust domain, made when it is first asked for.
func (s *state) authority(trustDomain string) (*authority, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if found, isThere := s.authorities[trustDomain]; isThere {
		return found, nil
	}
	made, err := newAuthority(trustDomain)
	if err == nil {
		s.authorities[trustDomain] = made
	}
	return made, err
}

func (s *state) authorityOf(spiffeID string) (*authority, string, error) {
	rest, isID := strings.CutPrefix(spiffeID, "spiffe://")
	if !isID {
		return nil, "", fmt.Errorf("%q is no SPIFFE ID", spiffeID)
	}
	trustDomain, _, _ := strings.Cut(rest, "/")
	found, err := s.authority(trustDomain)
	return found, trustDomain, err
}

func orDefault(milliseconds int64, otherwise time.Duration) time.Duration {
	if milliseconds == 0 {
		return otherwise
	}
	return time.Duration(milliseconds) * time.Millisecond
}
