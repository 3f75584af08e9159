package sandbox

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hlo-agent/hlo-agent/llo"
)

// sightings tells those who wait for an object with an image when it is seen. Unlike
// an observer it begins anew when a watch ends: under load the API server cuts those
// that are slow.
type sightings struct {
	stop  context.CancelFunc
	ended sync.WaitGroup

	mu      sync.Mutex
	waiting map[string]sighting // by entity
}

type sighting struct {
	image string
	seen  chan time.Time
}

// sight begins to watch. Close ends it.
func (r *rig) sight(ctx context.Context) *sightings {
	ctx, stop := context.WithCancel(ctx)
	s := &sightings{stop: stop, waiting: map[string]sighting{}}
	for _, resource := range r.resources {
		s.ended.Go(func() {
			for ctx.Err() == nil {
				if err := s.follow(ctx, r, resource); err != nil && ctx.Err() == nil {
					r.log.Info("watching anew", "resource", resource.Resource, "err", err)
					_ = pause(ctx, 100*time.Millisecond) // looked at above
				}
			}
		})
	}
	return s
}

// follow lists and watches until the watch ends.
func (s *sightings) follow(ctx context.Context, r *rig, resource schema.GroupVersionResource) error {
	of := r.watching.Resource(resource).Namespace(agentNamespace)
	list, err := of.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range list.Items {
		s.take(&list.Items[i])
	}
	stream, err := of.Watch(ctx, metav1.ListOptions{ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		return err
	}
	defer stream.Stop()
	for event := range stream.ResultChan() {
		if o, ok := event.Object.(*unstructured.Unstructured); ok {
			s.take(o)
		}
	}
	return fmt.Errorf("the watch of %s has ended", resource.Resource)
}

func (s *sightings) take(o *unstructured.Unstructured) {
	id := o.GetAnnotations()[llo.EntityAnnotation]
	image, _, _ := unstructured.NestedString(o.Object, "spec", "image")
	s.mu.Lock()
	defer s.mu.Unlock()
	if w, ok := s.waiting[id]; ok && image == w.image {
		w.seen <- time.Now()
		delete(s.waiting, id)
	}
}

// image expects an entity's object to have an image from now on.
func (s *sightings) image(id, image string) <-chan time.Time {
	seen := make(chan time.Time, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[id] = sighting{image, seen}
	return seen
}

func (s *sightings) await(ctx context.Context, seen <-chan time.Time, id, what string) error {
	timer := time.NewTimer(soakPatience)
	defer timer.Stop()
	select {
	case <-seen:
		return nil
	case <-timer.C:
		return fmt.Errorf("%s was not %s within %v", id, what, soakPatience)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *sightings) close() {
	s.stop()
	s.ended.Wait()
}
