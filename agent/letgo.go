package agent

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// What becomes of an object that is not wanted any more: it is deleted, or it stays
// and is nobody's. It stays if its mapping, its entity or an annotation by hand says
// orphan, whatever the others say: what was kept can still be deleted. The word is
// noted on the object, so that it holds when entity and mapping are gone.

// attrDeletePolicy on an entity: delete, or orphan. Anything else is taken for
// orphan.
const attrDeletePolicy = "deletePolicy"

// keepsObjects says whether an entity wants its objects to stay.
func keepsObjects(e *ngsild.Entity) bool {
	word := e.Enum(attrDeletePolicy)
	return word != "" && !equalFold(word, "delete")
}

func orphaned(l *llo.Live) bool { return l.Annotations[llo.DeletePolicy] == llo.Orphan }

// letGo orders objects away: it deletes them, or makes them nobody's. always
// deletes them, whatever the delete policy, since their names are needed. Those in a
// cluster that cannot be reached do not hold up the others; for them it is a
// *lostError.
func (r *reconciler) letGo(ctx context.Context, p *pass, live []*llo.Live, always bool) error {
	var lost *lostError
	for _, l := range live {
		if l.Deleting || r.cfg.SyncPolicy != syncAll {
			continue
		}
		do, done := r.clusters.Delete, "deleted"
		if !always && (orphaned(l) || keepsObjects(&p.entity)) {
			do, done = r.clusters.Release, "orphaned"
		}
		if r.cfg.DryRun {
			r.logOf(p).Info("would be "+done, "object", l.Key.String())
			continue
		}
		if err := do(ctx, l); err != nil {
			if held := r.lostIn(l.Cluster, err); held != nil {
				lost = held
				continue
			}
			return fmt.Errorf("let go of %s: %w", l.Key, err)
		}
		r.metrics.applies.WithLabelValues(l.Key.GVK.Kind, done).Inc()
		r.logOf(p).Info("object "+done, "cluster", l.Cluster, "object", l.Key.String())
	}
	if lost != nil {
		return lost
	}
	return nil
}

// left is the object that was last reported on, if it is there and nobody's.
func (r *reconciler) left(p *pass) (status, bool) {
	said := reported(&p.entity)
	version, err := schema.ParseGroupVersion(said.APIVersion)
	if said.Name == "" || err != nil {
		return status{}, false
	}
	key := llo.Key{GVK: version.WithKind(said.Kind), Namespace: said.Namespace, Name: said.Name}
	owner, entity, exists := r.clusters.Holder(said.Cluster, key)
	if !exists || owner != "" || entity != string(p.id) {
		return status{}, false
	}
	return status{APIVersion: said.APIVersion, Kind: said.Kind, Namespace: said.Namespace, Name: said.Name, UID: said.UID, Cluster: said.Cluster}, true
}
