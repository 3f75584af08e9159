package agent

import (
	"context"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// leaderOverview is which of several copies of the agent acts.
type leaderOverview struct {
	Holder  string    `json:"holder"`
	Renewed time.Time `json:"renewed"`
	Acts    bool      `json:"acts"` // its lead has not run out
}

// leader reads the Lease of the agent's copies. nil: there is none, since one copy runs
// alone.
func (s *sight) leader(ctx context.Context) (*leaderOverview, error) {
	to, err := s.dial(s.cfg.Kubeconfig)
	if err != nil {
		return nil, err
	}
	l, err := newLease(&s.cfg, "", to, s.log)
	if err != nil {
		return nil, err
	}
	record, _, err := l.LeaseLock.Get(ctx)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	holder, _, _ := strings.Cut(record.HolderIdentity, "@")
	renewed := record.RenewTime.Time
	return &leaderOverview{Holder: holder, Renewed: renewed, Acts: holder != "" && s.now().Sub(renewed) < leaseTime}, nil
}

// text is one line for people.
func (l *leaderOverview) text(now time.Time) string {
	switch {
	case l.Acts:
		return l.Holder + ", renewed " + ago(now.Sub(l.Renewed)) + " ago"
	case l.Holder == "":
		return "nobody: the last copy has given the lead up"
	}
	return "nobody: the lead of " + l.Holder + " ran out, renewed " + ago(now.Sub(l.Renewed)) + " ago"
}
