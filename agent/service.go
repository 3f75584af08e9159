package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

const (
	attrAction  = "actionType"
	attrOverlay = "hasOverlay"

	// serviceDelay gathers the components of a service that report together.
	serviceDelay = 500 * time.Millisecond
)

// tellService has the service of a component looked at when anything was heard of
// the component, or written on it, since: who wrote it does not matter, for the
// components of a service may be several agents'.
func (r *reconciler) tellService(p *pass) {
	told := false
	r.tracker.update(p.id, func(rec *record) { told, rec.settled = rec.settled == rec.version, rec.version })
	if id := serviceOf(&p.entity); !told && id != "" {
		r.queue.AddAfter(id, serviceDelay)
	}
}

// settleService reports the end of a deployment or of a removal on the Service,
// where we are the one that does so. It writes nothing else there.
func (r *reconciler) settleService(ctx context.Context, service *ngsild.Entity) error {
	if r.overlays != nil {
		r.overlays.look(service)
	}
	word := actionReport(service.Enum(attrAction), r.componentsOf(service.ID))
	if word == "" || !r.handles(service) || r.cfg.DryRun {
		return nil
	}
	current, err := r.client.Entity(ctx, service.ID) // what we keep of it is narrow, and others write on it
	if err != nil {
		return fmt.Errorf("read the service: %w", err)
	}
	if !equalFold(current.Enum(attrAction), service.Enum(attrAction)) {
		r.links.put(current, time.Time{})
		return errSuperseded
	}
	attrs := map[string]any{attrAction: actionAttribute(&current, word)}
	if word == actionFinished && current.Has("domainHandler") {
		attrs["domainHandler"] = map[string]any{"type": "Relationship", "object": "urn:ngsi-ld:null"}
	}
	err = r.client.Merge(ctx, service.ID, attrs)
	r.metrics.statusWrites.WithLabelValues(outcome(err)).Inc()
	if err != nil {
		return fmt.Errorf("write the service: %w", err)
	}
	r.links.put(applied(current, attrs), time.Time{})
	r.log.Info("service settled", "entity", service.ID, "action", word)
	return nil
}

const (
	actionDeployed = "DEPLOYED"
	actionFinished = "FINISHED"
)

// actionReport is the word that follows from the components' reports, if any.
func actionReport(action string, components []ngsild.Entity) string {
	if len(components) == 0 {
		return ""
	}
	switch {
	case equalFold(action, "DEPLOYING"):
		for _, c := range components {
			job, _ := c.Bool("isJob")
			word := c.Enum(attrStatus)
			if !equalFold(word, statusRunning) && !(job && equalFold(word, statusFinished)) {
				return ""
			}
		}
		return actionDeployed
	case equalFold(action, "DESTROYING"):
		for _, c := range components {
			if !equalFold(c.Enum(attrStatus), statusFinished) {
				return ""
			}
		}
		return actionFinished
	}
	return ""
}

// actionAttribute writes the word in the dialect that was read.
func actionAttribute(service *ngsild.Entity, word string) map[string]any {
	had, _ := service.Text(attrAction)
	if had != "" && had[len(had)-1] >= 'a' && had[len(had)-1] <= 'z' { // "Deploying"
		word = word[:1] + lower(word[1:])
	}
	if service.Attrs[attrAction].Kind == ngsild.Relationship {
		return enumAttribute(service, attrAction, "ActionType", word)
	}
	return map[string]any{"type": "Property", "value": word}
}

// componentsOf are the components of a service as they were last heard of,
// packed.
func (r *reconciler) componentsOf(service ngsild.EntityID) []ngsild.Entity {
	var out []ngsild.Entity
	for _, id := range r.links.components(service) {
		r.tracker.update(id, func(rec *record) {
			if rec.known && !rec.absent && serviceOf(&rec.entity) == service {
				out = append(out, rec.entity)
			}
		})
	}
	return out
}
