package agent

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/hlo-agent/hlo-agent/agent/plans"
	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// planToken is the token that callers of the plan API may have, "" for none.
func (c *Config) planToken() (string, error) {
	if c.PlanTokenFile == "" {
		return string(c.PlanToken), nil
	}
	return readSecret("PLAN_TOKEN_FILE", c.PlanTokenFile)
}

// newPlans makes the plan API; nil while nobody could call it, and in a dry run,
// since plans are written to the broker.
func (s *service) newPlans() (*plans.Book, error) {
	if _, err := s.cfg.planToken(); err != nil {
		return nil, err
	}
	if s.cfg.DryRun || s.cfg.APIAuth == "" && s.cfg.PlanToken == "" && s.cfg.PlanTokenFile == "" {
		return nil, nil
	}
	return plans.NewBook(plans.Config{
		Broker: s.client, Owner: s.cfg.AgentID, Inventory: s.planInventory, Claims: s.claims, Systems: s.systems, Solvers: s.cfg.PlanSolvers,
		Most: s.cfg.PlanMax, Keep: s.cfg.PlanKeep, Now: s.now, Rand: s.rand, Log: s.log,
		Observe: func(status plans.Status) {
			s.metrics.plans.WithLabelValues(strings.ReplaceAll(string(status), " ", "_")).Inc()
		},
	}), nil
}

// servePlans adds the plan API to the public face. Where there is none, a tenant's
// answers as one that the caller may not use.
func (s *service) servePlans(router *mux.Router) {
	var api http.Handler
	switch {
	case s.plans != nil:
		api = s.planGate(s.plans.Handler())
	case s.room != nil:
		api = http.HandlerFunc(refuseStranger)
	default:
		return
	}
	router.Handle("/v1/plans/healthcheck", plans.Open())
	router.Handle("/v1/openapi.json", plans.Open())
	router.Handle("/", plans.Open())
	router.PathPrefix("/v1/").Handler(api)
}

// planGate lets in who has the token, and whom the gate for other domains lets in.
func (s *service) planGate(next http.Handler) http.Handler {
	others := s.gate.wrap(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := s.cfg.planToken()
		if err != nil {
			s.log.Warn("the token of the plan API cannot be read", "err", err)
		}
		switch given := bearer(r); {
		case token != "" && sameToken(token, given):
			if wait := s.gate.limits.take("token of the plan API"); wait > 0 {
				s.gate.refuse(w, "rate", problemDocument{Status: http.StatusTooManyRequests, Type: "rate", Title: "Too many requests",
					Detail: "This caller asks more often than it may.", retryAfter: wait})
				return
			}
			next.ServeHTTP(w, r)
		case s.cfg.APIAuth != "":
			others.ServeHTTP(w, r)
		default:
			challenge := `Bearer realm="hlo-agent"`
			if given != "" {
				challenge += `, error="invalid_token"`
			}
			w.Header().Set("WWW-Authenticate", challenge)
			s.gate.refuse(w, "unauthenticated", problemDocument{Status: http.StatusUnauthorized, Type: "unauthenticated", Title: "Credentials are needed",
				Detail: "Needed: the bearer token of the plan API."})
		}
	})
}

// sameToken takes the same time whatever is given, and whatever its length.
func sameToken(want, given string) bool {
	a, b := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// planInventory reads what there is to choose from. Components that are placed and
// do not run yet take their room; more than that is read of them only for a
// template that places onto running ones.
func (s *service) planInventory(ctx context.Context, template string) (*homing.Inventory, error) {
	components := ngsild.Query{Types: []string{typeComponent}, Attrs: []string{attrElement, attrStatus, attrRequirements}}
	if strings.Contains(template, "service_component") {
		components.Attrs = nil
	}
	var all []ngsild.Entity
	for _, q := range []ngsild.Query{components, {Types: append([]string{typeRequirements}, inventoryTypes...)}} {
		_, err := s.client.List(ctx, q, func(page []ngsild.Entity) error {
			all = append(all, page...)
			return nil
		})
		var unreadable ngsild.EntityError
		if err != nil && !errors.Is(err, ngsild.ErrShortList) && !errors.As(err, &unreadable) {
			return nil, fmt.Errorf("read the inventory: %w", err)
		}
	}
	now := s.now()
	silent := map[ngsild.EntityID]bool{}
	for i := range all {
		e := &all[i]
		silent[e.ID] = s.cfg.HomingStale > 0 && e.Type == typeElement && !e.Observed.IsZero() && now.Sub(e.Observed) > s.cfg.HomingStale
	}
	return homing.FromEntities(all, homing.EntityOptions{Now: now, Stale: func(id ngsild.EntityID) bool { return silent[id] }}), nil
}
