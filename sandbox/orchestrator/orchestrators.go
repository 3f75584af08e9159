package orchestrator

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
)

// workers write status at the same time; one object at a time each.
const workers = 8

// fieldManager is the name under which status and finalizers are written.
const fieldManager = "hlo-sandbox-llo"

// Config says where and how fast. REST and Log must be set.
type Config struct {
	REST *rest.Config // its client-side rate limit is not used
	Log  *slog.Logger

	Namespace string // the only one to work in; empty: all

	Pace  time.Duration    // from a new object to Running; default 1 s
	Hold  time.Duration    // how long sim-holds-delete holds a deletion; default 5 s
	Clock clock.WithTicker // default: the real one
}

// Orchestrators are the simulated low-level orchestrators of one cluster.
type Orchestrators struct {
	client    dynamic.Interface
	namespace string
	log       *slog.Logger
	pace      time.Duration
	hold      time.Duration
	clock     clock.WithTicker
	queue     workqueue.TypedRateLimitingInterface[item]
	stores    map[schema.GroupVersionResource]cache.Store

	mu   sync.Mutex
	seen map[item]sighting
}

// item names one object.
type item struct {
	resource schema.GroupVersionResource
	key      string // namespace/name
}

// New prepares the orchestrators; it does no I/O.
func New(c Config) (*Orchestrators, error) {
	config := rest.CopyConfig(c.REST)
	config.QPS, config.UserAgent = -1, fieldManager
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client of the simulated orchestrators: %w", err)
	}
	o := &Orchestrators{
		client: client, namespace: c.Namespace, log: c.Log, pace: c.Pace, hold: c.Hold, clock: c.Clock,
		stores: map[schema.GroupVersionResource]cache.Store{},
		seen:   map[item]sighting{},
	}
	if o.pace == 0 {
		o.pace = time.Second
	}
	if o.hold == 0 {
		o.hold = 5 * time.Second
	}
	if o.clock == nil {
		o.clock = clock.RealClock{}
	}
	return o, nil
}

func resources() []schema.GroupVersionResource {
	group := schema.GroupVersion{Group: "llo.aeros-project.eu", Version: "v1alpha1"}
	return []schema.GroupVersionResource{
		group.WithResource("servicecomponentk8s"),
		group.WithResource("servicecomponentdockers"),
		group.WithResource("servicecomponentcontainerds"),
	}
}

// Run works until ctx ends and returns nil when the last goroutine has ended. A kind that is not there, or an
// API server that is down, is tried again for ever. Call it once.
func (o *Orchestrators) Run(ctx context.Context) error {
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[item](50*time.Millisecond, 5*time.Second)
	o.queue = workqueue.NewTypedRateLimitingQueueWithConfig(limiter,
		workqueue.TypedRateLimitingQueueConfig[item]{Clock: o.clock})
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(o.client, 0, o.namespace, nil)
	for _, resource := range resources() {
		if err := o.follow(resource, factory.ForResource(resource).Informer()); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	var working sync.WaitGroup
	for range workers {
		working.Go(func() { o.work(ctx) })
	}
	<-ctx.Done()
	o.queue.ShutDown()
	working.Wait()
	factory.Shutdown()
	return nil
}

// follow puts every object of a resource into the queue when it changes.
func (o *Orchestrators) follow(resource schema.GroupVersionResource, informer cache.SharedIndexInformer) error {
	if err := informer.SetTransform(slim); err != nil {
		return fmt.Errorf("follow %s: %w", resource.Resource, err)
	}
	err := informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		o.log.Debug("watch broken, trying again", "type", resource.Resource, "err", err)
	})
	if err != nil {
		return fmt.Errorf("follow %s: %w", resource.Resource, err)
	}
	enqueue := func(changed any) {
		key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(changed)
		if err != nil {
			return // nothing of ours
		}
		it := item{resource: resource, key: key}
		if object, ok := changed.(*unstructured.Unstructured); ok {
			o.look(it, object, o.clock.Now()) // time in the queue counts: a late step writes what is due, not all before
		}
		o.queue.Add(it)
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, object any) { enqueue(object) },
		DeleteFunc: enqueue,
	})
	if err != nil {
		return fmt.Errorf("follow %s: %w", resource.Resource, err)
	}
	o.stores[resource] = informer.GetStore()
	return nil
}
