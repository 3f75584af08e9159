package agent

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/mapping"
)

// lostError says that something has to wait for a cluster that cannot be reached.
type lostError struct {
	cluster string
	why     error
}

// Error implements error.
func (e *lostError) Error() string {
	return fmt.Sprintf("the cluster %s cannot be reached: %s", e.cluster, plainly(e.why))
}

// plainly says why a cluster does not answer in words that stay the same from one
// attempt to the next, and that tell nothing of our own side.
func plainly(why error) string {
	var timeout net.Error
	var name *net.DNSError
	switch text := why.Error(); {
	case errors.Is(why, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(why, &name):
		return "its host name is unknown"
	case errors.As(why, &timeout) && timeout.Timeout():
		return "no answer in time"
	case strings.HasPrefix(text, "it answers "):
		return text
	case strings.Contains(text, "x509:"), strings.Contains(text, "tls:"):
		return "no secure connection"
	case errors.Is(why, errNoConnection):
		return errNoConnection.Error()
	}
	return "no answer"
}

// lostIn tells an error of a cluster that has been silent for a while from one
// that is worth trying again at once, for which it is nil.
func (r *reconciler) lostIn(cluster string, err error) *lostError {
	if !errors.Is(err, llo.ErrRetry) {
		return nil
	}
	if why := r.clusters.lost(cluster, unreachableAfter); why != nil {
		return &lostError{cluster, why}
	}
	return nil
}

// lostProblem is what to say of a component whose object cannot be changed for
// that. A state that was an end stays one: whether Starting is a new order is told
// by it.
func (p *pass) lostProblem(lost *lostError) *problem {
	phase := mapping.Pending
	if said := reported(&p.entity); said.UID != "" && said.Cluster == lost.cluster {
		if phase = mapping.Unknown; said.Phase == mapping.Succeeded || said.Phase == mapping.Failed {
			phase = said.Phase
		}
	} else if p.main() != nil {
		phase = mapping.Unknown
	}
	return &problem{phase, reasonClusterUnreachable, lost.Error()}
}

// bear takes the error of a cluster that cannot be reached as what the pass has to
// wait for, and gives back any other.
func (p *pass) bear(err error) error {
	var lost *lostError
	if !errors.As(err, &lost) {
		return err
	}
	p.lost = lost
	p.wake(problemRetry)
	return nil
}

// unseen is a cluster that may hold an object of the component and was not listed
// yet, empty if there is none.
func (r *reconciler) unseen(p *pass) string {
	for _, name := range []string{p.cluster, reported(&p.entity).Cluster} {
		if name != "" && !r.clusters.Ready(name) && r.clusters.has(name) {
			return name
		}
	}
	return ""
}

// leftOver says whether objects were found after their removal was reported: in
// a cluster that could not be reached by then.
func (p *pass) leftOver() bool {
	said := reported(&p.entity).Reason
	return (p.want == ended || p.want == unplaced) && p.order == none && len(p.live) > 0 &&
		(said == reasonRemoved || said == reasonOrphaned)
}

// observeLost says that the object's cluster has been silent for so long that its
// state is not known any more. No time passes for what is not seen: the deadline
// begins anew when it is.
func (r *reconciler) observeLost(p *pass, main *llo.Live, s *status) {
	r.tracker.update(p.id, func(rec *record) { rec.seen = 0 })
	p.wake(r.cfg.StatusGrace)
	why := r.clusters.lost(main.Cluster, r.cfg.StatusGrace)
	if why == nil {
		return
	}
	p.lost = &lostError{main.Cluster, why}
	seen := string(s.Phase)
	if s.Message != "" {
		seen += ", " + s.Message
	}
	if s.Phase != mapping.Succeeded && s.Phase != mapping.Failed {
		s.Phase = mapping.Unknown
	}
	s.Reason, s.Message = reasonClusterUnreachable, p.lost.Error()+"; last seen: "+seen
}
