// Package journal keeps what happened for a test that asks later.
package journal

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Journal is a list that only grows, and that can be waited on.
type Journal[T any] struct {
	mutex   sync.Mutex
	entries []T
	changed chan struct{}
}

// New makes an empty one.
func New[T any]() *Journal[T] { return &Journal[T]{changed: make(chan struct{})} }

// Add writes down what `entry` makes of its number, which is 1 for the first.
func (j *Journal[T]) Add(entry func(number int) T) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	j.entries = append(j.entries, entry(len(j.entries)+1))
	close(j.changed)
	j.changed = make(chan struct{})
}

// After gives the entries after a number; it waits for one until the context is done.
func (j *Journal[T]) After(ctx context.Context, number int) []T {
	for {
		j.mutex.Lock()
		entries, changed := j.entries, j.changed
		j.mutex.Unlock()
		if len(entries) > number {
			return entries[number:]
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return []T{}
		}
	}
}

// Asked answers a request with `?after=N&waitMs=M`.
func (j *Journal[T]) Asked(request *http.Request) []T {
	after, _ := strconv.Atoi(request.URL.Query().Get("after"))
	waitMs, _ := strconv.Atoi(request.URL.Query().Get("waitMs"))
	ctx, cancel := context.WithTimeout(request.Context(), time.Duration(waitMs)*time.Millisecond)
	defer cancel()
	return j.After(ctx, after)
}
