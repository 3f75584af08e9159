package systems

import (
	"context"

	"github.com/hlo-agent/hlo-agent/homing"
)

// Reserver reserves for one plan. Each reservation has an id of its own, which is
// the same when the plan is taken up again, so that a controller can tell a
// repetition from a second one.
type Reserver struct {
	systems *Set
	plan    string
}

// Reserver returns what reserves for the plan of that id.
func (s *Set) Reserver(plan string) *Reserver { return &Reserver{s, plan} }

// Reserve implements homing.Reserver.
func (r *Reserver) Reserve(ctx context.Context, what homing.Reservation, candidate string) error {
	return r.tell(ctx, "reserve", what, candidate)
}

// Release implements homing.Reserver. Releasing what is not reserved must be no
// error for the controller.
func (r *Reserver) Release(ctx context.Context, what homing.Reservation, candidate string) error {
	return r.tell(ctx, "release", what, candidate)
}

func (r *Reserver) tell(ctx context.Context, action string, what homing.Reservation, candidate string) error {
	e := r.systems.find(kindService, what.Controller, reserving)
	if e == nil {
		return homing.ErrNotConfigured
	}
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	defer context.AfterFunc(r.systems.life, cancel)()
	request := what.Request
	if request == nil {
		request = map[string]any{}
	}
	return e.post(ctx, e.booking, e.Reserve, map[string]any{
		"action": action, "id": r.plan + "/" + what.Name, "type": what.Type, "model": what.Model,
		"controller": what.Controller, "demand": what.Demand, "candidate": candidate, "request": request,
	}, nil)
}
