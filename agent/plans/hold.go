package plans

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/agent/claims"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// mostContests is how often a plan is solved whose room others take meanwhile.
const mostContests = 5

// ClaimsQuery finds the plans of all agents, with what ClaimsOf reads.
func ClaimsQuery() ngsild.Query {
	return ngsild.Query{Types: []string{EntityType}, Attrs: []string{attrOwner, attrStatus, attrChanged, attrHold, attrHeld}}
}

// ClaimsOf is the room that a plan keeps: for its hold, counted from its end, or while it is being chosen.
func ClaimsOf(e *ngsild.Entity, now time.Time) claims.Claims {
	p := planOf(e)
	fresh := claims.Fresh
	if p.Status.final() {
		fresh = p.Hold
	}
	held := map[string]map[string]float64{}
	if e.Type != EntityType || now.Sub(p.Changed) >= fresh || json.Unmarshal([]byte(p.Held), &held) != nil {
		return nil
	}
	return p.claims(held)
}

// claims are those of a plan for room by element and resource.
func (p *plan) claims(held map[string]map[string]float64) claims.Claims {
	var all claims.Claims
	for element, amounts := range held {
		all = append(all, claims.Claim{Who: p.Owner + " plan " + p.ID, For: string(entityID(p.ID)), Element: element, Amounts: amounts, Firm: p.Status.final()})
	}
	slices.SortFunc(all, func(a, b claims.Claim) int { return strings.Compare(a.Element, b.Element) })
	return all
}

// hold claims the room of a recommendation, and returns when nobody else claims the same; claims.ErrTaken if somebody does,
// and then nothing is claimed any more.
func (b *Book) hold(ctx context.Context, p *plan, t *homing.Template, r homing.Recommendation, counted claims.Counted) error {
	taken := t.Takes(r)
	if p.Hold == 0 || len(taken) == 0 {
		return b.free(ctx, p)
	}
	text, err := compact(taken)
	if err != nil {
		return err
	}
	p.Held = text
	if err := b.save(ctx, p, attrHeld); err != nil {
		return err
	}
	err = claims.Contest(ctx, p.claims(taken), counted, b.Claims, p.Changed, b.Now)
	if errors.Is(err, claims.ErrTaken) {
		err = errors.Join(err, b.free(ctx, p))
	}
	return err
}

// free takes back what a plan claims.
func (b *Book) free(ctx context.Context, p *plan) error {
	if p.Held == "" {
		return nil
	}
	p.Held = ""
	return b.save(ctx, p, attrHeld)
}
