package sandbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"

	"github.com/hlo-agent/hlo-agent/llo"
)

// sightings tells those who wait for an object with an image when it is seen. Unlike
// an observer it goes on where it was when a watch ends: under load the API server cuts
// those that are slow.
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

// sight begins to watch: everything that happens after its return is seen. Close ends it.
func (r *rig) sight(ctx context.Context) (*sightings, error) {
	ctx, stop := context.WithCancel(ctx)
	s := &sightings{stop: stop, waiting: map[string]sighting{}}
	for _, resource := range r.resources {
		of := r.watching.Resource(resource).Namespace(agentNamespace)
		now, err := of.List(ctx, metav1.ListOptions{Limit: 1})
		if err != nil {
			s.close()
			return nil, fmt.Errorf("watch %s: %w", resource.Resource, err)
		}
		s.ended.Go(func() {
			for from := now.GetResourceVersion(); ctx.Err() == nil; {
				err := s.follow(ctx, of, from)
				if ctx.Err() != nil {
					return
				}
				r.log.Info("watching anew", "resource", resource.Resource, "err", err)
				_ = pause(ctx, 100*time.Millisecond) // looked at above
				if all, err := of.List(ctx, metav1.ListOptions{}); err == nil {
					from = all.GetResourceVersion()
					for i := range all.Items {
						s.take(&all.Items[i])
					}
				}
			}
		})
	}
	return s, nil
}

// follow watches from a version on, until the API server does not know any more what came
// after what was seen last.
func (s *sightings) follow(ctx context.Context, of dynamic.ResourceInterface, from string) error {
	stream, err := toolswatch.NewRetryWatcherWithContext(ctx, from, &cache.ListWatch{WatchFuncWithContext: of.Watch})
	if err != nil {
		return err
	}
	defer stream.Stop()
	for event := range stream.ResultChan() {
		if o, ok := event.Object.(*unstructured.Unstructured); ok {
			s.take(o)
		} else if event.Type == watch.Error {
			return apierrors.FromObject(event.Object)
		}
	}
	return errors.New("the watch has ended")
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
