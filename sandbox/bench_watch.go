package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
)

// observer is the one watch (a stream for each kind) through which both sides
// of a comparison are seen: of all namespaces, from its start on.
type observer struct {
	streams []watch.Interface
	ended   sync.WaitGroup

	mu     sync.Mutex
	seen   func(o *unstructured.Unstructured, at time.Time) // called for every object that is added or changed
	broken error
}

// observe opens the watch. Close ends it.
func (r *rig) observe(ctx context.Context) (*observer, error) {
	o := &observer{}
	for _, resource := range r.resources {
		if err := o.open(ctx, r, resource); err != nil {
			o.close()
			return nil, fmt.Errorf("watch %s: %w", resource.Resource, err)
		}
	}
	return o, nil
}

func (o *observer) open(ctx context.Context, r *rig, resource schema.GroupVersionResource) error {
	of := r.watching.Resource(resource)
	list, err := of.List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	stream, err := of.Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		return err
	}
	o.streams = append(o.streams, stream)
	o.ended.Go(func() {
		for event := range stream.ResultChan() {
			o.take(event, time.Now())
		}
		o.fail(errors.New("the watch has ended"))
	})
	return nil
}

func (o *observer) take(event watch.Event, at time.Time) {
	object, ok := event.Object.(*unstructured.Unstructured)
	if !ok || event.Type == watch.Error {
		o.fail(fmt.Errorf("the watch says %v", event.Object))
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen != nil && (event.Type == watch.Added || event.Type == watch.Modified) {
		o.seen(object, at)
	}
}

func (o *observer) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken == nil {
		o.broken = err
	}
}

func (o *observer) err() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.broken
}

// expect has f called for every object from now on, until the next expect.
func (o *observer) expect(f func(object *unstructured.Unstructured, at time.Time)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = f
}

// count expects n different objects in a namespace; the time at which the last
// of them was seen comes through the channel.
func (o *observer) count(namespace string, n int) <-chan time.Time {
	done := make(chan time.Time, 1)
	names := make(map[string]struct{}, n)
	o.expect(func(object *unstructured.Unstructured, at time.Time) {
		if object.GetNamespace() != namespace || len(names) == n {
			return
		}
		if names[object.GetKind()+"/"+object.GetName()] = struct{}{}; len(names) == n {
			done <- at
		}
	})
	return done
}

// wait receives from done, or fails when the watch does or the time is over.
func (o *observer) wait(ctx context.Context, done <-chan time.Time, most time.Duration) (time.Time, error) {
	check := time.NewTicker(time.Second)
	defer check.Stop()
	over := time.NewTimer(most)
	defer over.Stop()
	for {
		select {
		case at := <-done:
			return at, nil
		case <-check.C:
			if err := o.err(); err != nil {
				return time.Time{}, err
			}
		case <-over.C:
			return time.Time{}, fmt.Errorf("the watch has not seen everything within %v", most)
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}

func (o *observer) close() {
	for _, stream := range o.streams {
		stream.Stop()
	}
	o.ended.Wait()
}
