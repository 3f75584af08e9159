package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// That a service's network was ordered away, while its components stay, is kept in
// our own broker, one entity of this type for each service. It goes when the
// service is ordered to be deployed anew.
const (
	typeOverlayRemoval   = "OverlayRemoval"
	overlayRemovalPrefix = "urn:ngsi-ld:OverlayRemoval:"

	attrRemovalAgent   = "overlayRemovalAgent"   // AGENT_ID of who was told
	attrRemovalService = "overlayRemovalService" // the service's id
)

// removal is a network that was ordered away.
type removal struct {
	// settled is set when the service was seen with no order to deploy it since:
	// the next one is a new one, and has the network made again.
	settled bool
	lifted  bool // that order came
}

// recall takes in what was ordered away before our start, once. Nothing may be
// set up before it.
func (o *overlays) recall(ctx context.Context) error {
	o.mu.Lock()
	done := o.recalled
	o.mu.Unlock()
	if done {
		return nil
	}
	down := map[ngsild.EntityID]*removal{}
	_, err := o.client.List(ctx, ngsild.Query{Types: []string{typeOverlayRemoval}, Local: true}, func(page []ngsild.Entity) error {
		for _, e := range page {
			service, _ := e.Text(attrRemovalService)
			if by, _ := e.Text(attrRemovalAgent); by == o.cfg.AgentID && service != "" {
				down[ngsild.EntityID(service)] = &removal{}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list the overlay networks that were ordered away: %v", err) // a list that is not whole is no list here
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down, o.recalled = down, true
	return nil
}

// takeDown orders a service's network away. It returns nil when that will be so,
// and a *refusal otherwise.
func (o *overlays) takeDown(ctx context.Context, id ngsild.EntityID) error {
	ctx, cancel := context.WithTimeout(ctx, errandTime)
	defer cancel()
	if err := o.begun(ctx); err != nil {
		return busy("unavailable", "It is not known yet what there is", "The agent has just been started.", time.Second)
	}
	service, known := o.links.cached(id)
	if !known || service == nil || !o.handles(service) || len(o.members(id).bears) == 0 {
		return refused(http.StatusNotFound, "no-overlay", "The service has no overlay network here", "")
	}
	attrs := map[string]any{}
	for name, value := range map[string]string{attrRemovalAgent: o.cfg.AgentID, attrRemovalService: string(id)} {
		attrs[name] = map[string]any{"type": "Property", "value": value}
	}
	err := o.client.CreateEntity(ctx, o.removalID(id), typeOverlayRemoval, attrs)
	if err != nil && !errors.Is(err, ngsild.ErrInvalid) { // it was ordered before
		o.log.Warn("the removal of an overlay network could not be recorded", "entity", id, "err", err)
		return busy("unavailable", "It could not be carried out now", "The broker does not answer.", 5*time.Second)
	}
	o.mu.Lock()
	o.down[id] = &removal{settled: !deploying(service)}
	o.mu.Unlock()
	o.lane.queue.Add(id)
	return nil
}

func (o *overlays) removalID(service ngsild.EntityID) ngsild.EntityID {
	return ngsild.EntityID(overlayRemovalPrefix + o.cfg.AgentID + ":" + string(service))
}

func deploying(service *ngsild.Entity) bool {
	return equalFold(service.Enum(attrAction), "DEPLOYING")
}

// lookDown follows the orders of a service whose network was ordered away.
func (o *overlays) lookDown(service *ngsild.Entity) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.down[service.ID]
	switch {
	case r == nil:
	case !deploying(service):
		r.settled = true
	case r.settled && !r.lifted:
		r.lifted = true
		o.lane.queue.Add(service.ID)
	}
}

// sweep lifts what was ordered of services that are no more.
func (o *overlays) sweep() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, r := range o.down {
		if service, known := o.links.cached(id); known && service == nil && !r.lifted {
			r.lifted = true
			o.lane.queue.Add(id)
		}
	}
}

// lift forgets a network that was ordered away, when it is wanted again.
func (o *overlays) lift(ctx context.Context, service ngsild.EntityID) error {
	o.mu.Lock()
	r := o.down[service]
	lifted := r != nil && r.lifted
	o.mu.Unlock()
	if !lifted {
		return nil
	}
	if err := o.client.DeleteEntity(ctx, o.removalID(service)); err != nil && !isNotFound(err) {
		return fmt.Errorf("delete the record of a removal: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.down, service)
	return nil
}
