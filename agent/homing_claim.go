package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/agent/claims"
	"github.com/hlo-agent/hlo-agent/agent/plans"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// contested says whether somebody else may be choosing from the same elements: a plan, or the agent of another
// domain.
func (s *service) contested() bool {
	return !s.cfg.DryRun && (s.plans != nil || !s.domains.all && s.links.onlyDomain() == "")
}

// claim writes what was chosen as a claim, and returns when nobody else claims the same room; claims.ErrTaken if somebody
// does. Decisions of components that are gone are taken out.
func (h *homer) claim(ctx context.Context, service ngsild.EntityID, decisions map[ngsild.EntityID]decision, counted claims.Counted) error {
	at := h.now()
	mine := claims.Claims{}
	for _, id := range slices.SortedFunc(maps.Keys(decisions), compareID) {
		d := decisions[id]
		switch err := h.writeClaim(ctx, id, d.claimText(h.who, at)); {
		case errors.Is(err, ngsild.ErrNotFound):
			delete(decisions, id)
			continue
		case err != nil:
			return err
		}
		d.claimed = at
		decisions[id] = d
		mine = append(mine, claims.Claim{Who: h.who + " " + string(service), For: string(id), Element: string(d.element), Amounts: d.amounts})
	}
	err := claims.Contest(ctx, mine, counted, h.claims, at, h.now)
	if err != nil {
		for id := range decisions {
			if err := h.writeClaim(ctx, id, ""); err != nil && !errors.Is(err, ngsild.ErrNotFound) {
				h.log.Debug("a claim cannot be taken back, and will end by itself", "entity", id, "err", err)
			}
		}
	}
	return err
}

// writeClaim changes nothing of homingDecision but its claim.
func (h *homer) writeClaim(ctx context.Context, id ngsild.EntityID, text string) error {
	value := maps.Clone(noDecision)
	if known, ok := h.tracker.get(id); ok {
		if had, ok := known.entity.Attrs[attrDecision].Value.(map[string]any); ok {
			maps.Copy(value, had)
		}
	}
	value["claim"] = text
	attrs := map[string]any{attrDecision: map[string]any{"type": "Property", "value": value}}
	if err := h.client.Merge(ctx, id, attrs); err != nil {
		return fmt.Errorf("claim room for %s: %w", id, err)
	}
	h.tracker.update(id, func(rec *record) {
		rec.entity = pack(applied(unpack(rec.entity), attrs))
		rec.remember(attrs)
	})
	return nil
}

// claimText is what homingDecision says while others are asked: element, agent, and when.
func (d *decision) claimText(who string, at time.Time) string {
	return fmt.Sprintf("%s %s %s", d.element, who, at.UTC().Format(time.RFC3339Nano))
}

// claimOf reads a claim that still counts.
func claimOf(e *ngsild.Entity, now time.Time) (who string, element ngsild.EntityID, ok bool) {
	value, _ := e.Attrs[attrDecision].Value.(map[string]any)
	text, _ := value["claim"].(string)
	parts := strings.Fields(text)
	if len(parts) != 3 {
		return "", "", false
	}
	at, err := time.Parse(time.RFC3339Nano, parts[2])
	return parts[1], ngsild.EntityID(parts[0]), err == nil && now.Sub(at) < claims.Fresh
}

// claims are which room is taken although no figure shows it: by components that are placed and do not run
// yet, by those for which an element is being chosen, and by plans. So it is known to every agent on the broker.
func (r *reconciler) claims(ctx context.Context) (claims.Claims, error) {
	client, now := r.client, r.now()
	var found claims.Claims
	var needs []ngsild.EntityID // of each of them
	add := func(e *ngsild.Entity, c claims.Claim) {
		found, needs = append(found, c), append(needs, firstLink(e, attrRequirements))
	}
	attrs := []string{attrElement, attrStatus, attrRequirements, attrDecision, attrService, "isJob"}
	err := listClaims(ctx, client, ngsild.Query{Types: []string{typeComponent}, Attrs: attrs}, func(e *ngsild.Entity) {
		on := firstLink(e, attrElement)
		if on != "" && promised(e) {
			add(e, claims.Claim{For: string(e.ID), Element: string(on), Firm: true})
		}
		if who, element, ok := claimOf(e, now); ok && element != on {
			add(e, claims.Claim{Who: who + " " + string(serviceOrSelf(e)), For: string(e.ID), Element: string(element)})
		}
	})
	if err != nil {
		return nil, err
	}
	ids := slices.DeleteFunc(slices.Clone(needs), func(id ngsild.EntityID) bool { return id == "" })
	read, err := listByID(ctx, client, ids)
	if err != nil {
		return nil, err
	}
	for i := range found {
		found[i].Amounts = homing.Amounts(read[needs[i]])
	}
	err = listClaims(ctx, client, plans.ClaimsQuery(), func(e *ngsild.Entity) { found = append(found, plans.ClaimsOf(e, now)...) })
	return found, err
}

func listClaims(ctx context.Context, client *ngsild.Client, q ngsild.Query, each func(*ngsild.Entity)) error {
	_, err := client.List(ctx, q, func(page []ngsild.Entity) error {
		for i := range page {
			each(&page[i])
		}
		return nil
	})
	var unreadable ngsild.EntityError
	if err != nil && !errors.Is(err, ngsild.ErrShortList) && !errors.As(err, &unreadable) {
		return fmt.Errorf("read what others claim: %w", err)
	}
	return nil
}

// serviceOrSelf is by what a component is solved together with others.
func serviceOrSelf(e *ngsild.Entity) ngsild.EntityID {
	if id := serviceOf(e); id != "" {
		return id
	}
	return e.ID
}
