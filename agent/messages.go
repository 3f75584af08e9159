package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/allocation/kafka"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// carryAtOnce is how many entities a batch of messages writes at once.
const carryAtOnce = 8

// carrier makes the placements that messages ask for durable: what a message
// says of a component that is in the broker is written there as its element,
// and the loop does the rest, as if the allocator had written it itself.
type carrier struct {
	*reconciler
}

// newConsumer makes the consumer of messages; nil when none are configured.
func (s *service) newConsumer() (*kafka.Consumer, error) {
	if len(s.cfg.KafkaServers) == 0 || s.cfg.DryRun {
		return nil, nil
	}
	cfg, err := s.cfg.kafka()
	if err != nil {
		return nil, err
	}
	cfg.Carry = (&carrier{s.reconciler}).carry
	cfg.Count = func(result string) { s.metrics.messages.WithLabelValues(result).Inc() }
	cfg.State = func(text string) { s.health.set("messages", text) }
	cfg.Log = s.log
	return kafka.New(cfg)
}

// messageLag is how many messages wait for us.
func (s *service) messageLag() float64 {
	if s.consumer == nil {
		return 0
	}
	return float64(s.consumer.Lag())
}

// carry implements kafka.Config.Carry. What is written is read back, since an
// answer of the broker alone proves nothing.
func (c *carrier) carry(ctx context.Context, batch []allocation.Allocation) []error {
	errs := make([]error, len(batch))
	ids := make([]ngsild.EntityID, 0, len(batch))
	for i := range batch {
		ids = append(ids, batch[i].Component)
	}
	entities, err := c.entities(ctx, ids)
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	wrote := make([]bool, len(batch))
	var group errgroup.Group
	group.SetLimit(carryAtOnce)
	for i := range batch {
		group.Go(func() error {
			wrote[i], errs[i] = c.carryOne(ctx, &batch[i], entities[batch[i].Component])
			return nil
		})
	}
	_ = group.Wait() // each has its own error
	c.confirm(ctx, batch, wrote, errs)
	return errs
}

// carryOne says whether it wrote something that is to be read back.
func (c *carrier) carryOne(ctx context.Context, a *allocation.Allocation, e *ngsild.Entity) (wrote bool, err error) {
	if e == nil { // a list may lack what is there
		if e, err = proveAbsent(ctx, c.client, a.Component, c.proofSubscription()); err != nil {
			return false, err
		}
		if e == nil {
			return false, c.carryUnknown(ctx, a)
		}
	}
	switch {
	case a.Element == "":
		return false, c.wish(ctx, a, e)
	case overtaken(e) || firstLink(e, attrElement) == a.Element:
		return false, nil
	}
	attrs := map[string]any{attrElement: map[string]any{"type": "Relationship", "object": string(a.Element)}}
	if err := c.client.Merge(ctx, a.Component, attrs); err != nil {
		return false, err
	}
	c.log.Info("placed by a message", "entity", a.Component, "element", a.Element)
	return true, nil
}

// overtaken says whether the component was ordered away since the allocator
// was asked: then there is nothing left to place.
func overtaken(e *ngsild.Entity) bool {
	word := e.Enum(attrStatus)
	return orderOf(word) == removing || equalFold(word, statusFinished)
}

// carryUnknown deals with a component that no broker within reach holds: on an
// element of ours it is made of what the message says, as if it had been asked
// for over HLO_AL.
func (c *carrier) carryUnknown(ctx context.Context, a *allocation.Allocation) error {
	var e *ngsild.Entity
	if a.Element != "" {
		found, err := c.entities(ctx, []ngsild.EntityID{a.Element})
		if err != nil {
			return err
		}
		e = found[a.Element]
	}
	if e == nil || a.Image == "" || !c.domains.ours(firstLink(e, "domain")) {
		return fmt.Errorf("the broker knows no component %s: %w", a.Component, kafka.ErrRefused)
	}
	if a.Service == "" {
		a.Service = serviceOf(&ngsild.Entity{ID: a.Component})
	}
	err := c.allocate(ctx, *a, false)
	var no *refusal
	if errors.As(err, &no) && no.Status == http.StatusConflict {
		err = c.change(ctx, a.Service, a.Component, func(*allocation.Allocation) allocation.Allocation { return *a }, false)
	}
	if errors.As(err, &no) && no.Status != http.StatusServiceUnavailable {
		return fmt.Errorf("%w: %w", kafka.ErrRefused, no)
	}
	return err
}

// confirm reads back what was written, and lets the loop have it at once.
func (c *carrier) confirm(ctx context.Context, batch []allocation.Allocation, wrote []bool, errs []error) {
	versions := map[ngsild.EntityID]uint64{}
	for i := range batch {
		if wrote[i] {
			versions[batch[i].Component] = c.tracker.version(batch[i].Component)
		}
	}
	if len(versions) == 0 {
		return
	}
	asked := c.now()
	found, err := c.entities(ctx, slices.Sorted(maps.Keys(versions)))
	for i := range batch {
		e := found[batch[i].Component]
		switch {
		case !wrote[i]:
		case err != nil:
			errs[i] = err
		case e == nil || firstLink(e, attrElement) != batch[i].Element && !overtaken(e):
			errs[i] = fmt.Errorf("%s does not bear the element that was written: %w", batch[i].Component, ngsild.ErrRetry)
		default:
			c.tracker.read(*e, asked, versions[e.ID])
			c.queue.Add(e.ID)
		}
	}
}

// entities reads entities by id; what the broker does not list is left out.
func (c *carrier) entities(ctx context.Context, ids []ngsild.EntityID) (map[ngsild.EntityID]*ngsild.Entity, error) {
	found := map[ngsild.EntityID]*ngsild.Entity{}
	_, err := c.client.List(ctx, ngsild.Query{IDs: ids}, func(page []ngsild.Entity) error {
		for _, e := range page {
			found[e.ID] = &e
		}
		return nil
	})
	var unreadable ngsild.EntityError
	if err != nil && !errors.Is(err, ngsild.ErrShortList) && !errors.As(err, &unreadable) {
		return nil, err
	}
	return found, nil
}

// wish hands a component without an element to homing: the message's limits
// become those of its requirements, which homing reads. Homing finds the
// component itself.
func (c *carrier) wish(ctx context.Context, a *allocation.Allocation, e *ngsild.Entity) error {
	if c.cfg.Homing != homingAuto {
		return fmt.Errorf("no infrastructure_element in it, and HOMING is %s: %w", c.cfg.Homing, kafka.ErrRefused)
	}
	if len(a.Constraints) == 0 || overtaken(e) {
		return nil
	}
	id := firstLink(e, attrRequirements)
	if id == "" {
		return fmt.Errorf("the component has no %s that could bear the constraints: %w", attrRequirements, kafka.ErrRefused)
	}
	now, err := c.client.Entity(ctx, id)
	switch {
	case errors.Is(err, ngsild.ErrNotFound):
		return fmt.Errorf("the broker knows no %s: %w", id, kafka.ErrRefused)
	case err != nil:
		return err
	}
	attrs, err := constraintAttributes(a.Constraints, &now)
	if err != nil || len(attrs) == 0 {
		return err
	}
	return c.client.Merge(ctx, id, attrs)
}

// constraintAttributes are a message's constraints as far as the requirements
// do not say them yet.
func constraintAttributes(constraints map[string]float64, now *ngsild.Entity) (map[string]any, error) {
	attrs := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(constraints)) {
		var value any = constraints[name]
		switch name {
		case "requiredCpuUsage", "requiredRam", "requiredMemoryUsage", "energyEfficiencyRatio", "greenEnergyRatio":
			if whole := int64(constraints[name]); float64(whole) == constraints[name] {
				value = whole
			}
		case "realTimeCapable":
			value = constraints[name] != 0
		default:
			return nil, fmt.Errorf("no requirement is called %q: %w", name, kafka.ErrRefused)
		}
		if !ngsild.Equal(now.Attrs[name].Value, value) {
			attrs[name] = map[string]any{"type": "Property", "value": value}
		}
	}
	return attrs, nil
}
