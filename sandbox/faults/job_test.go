package faults_test

import (
	"fmt"
	"testing"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// A Job that ended and is ordered again runs again: the ended object goes, and
// only then a new one comes.
func TestEndedJobRunsAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.create(append(world(), component("job", object{"isJob": prop(true)}))...)
	r.start()
	first := r.exists("job").GetUID()
	r.phase(onK8s, "job", "Succeeded")
	got := r.says(componentID("job"), "Succeeded", "")
	if got.Word != "Finished" || got.Element == "" {
		t.Errorf("got %+v, want Finished with its element", got)
	}
	r.merge(onK8s, "job", object{"metadata": object{"finalizers": []string{"test.example.org/hold"}}})
	r.patch(componentID("job"), object{"serviceComponentStatus": word("Starting")})
	eventually(t, "the old one goes", func() error {
		if r.exists("job").GetDeletionTimestamp() == nil {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	r.agent.kill() // between the two steps
	r.launch()
	r.merge(onK8s, "job", object{"metadata": object{"finalizers": nil}})
	eventually(t, "the new one comes", func() error {
		if o := r.find(onK8s, "job"); o == nil || o.GetUID() == first {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	second := r.exists("job").GetUID()
	r.phase(onK8s, "job", "Succeeded")
	eventually(t, "the second end is reported", func() error {
		return differ("report", r.report(componentID("job")).UID, second)
	})
	r.says(componentID("job"), "Succeeded", "")
	if r.exists("job").GetUID() != second {
		t.Error("it ran a third time")
	}
}

// A Job that ends before the agent could say so is not run twice, whatever is
// lost and repeated on the way, a restart included.
func TestJobThatEndedUnreportedIsNotRunTwice(t *testing.T) {
	t.Parallel()
	for name, effect := range map[string]faults.Effect{
		"report refused": faults.Answer(503, nil, ""), "report lost": faults.CutBefore, "report's answer lost": faults.CutAfter,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.create(append(world(), component("job", object{"isJob": prop(true)}))...)
			remove := r.toBroker.Inject(faults.Fault{Match: entityWrites, Do: effect})
			r.start()
			was := r.exists("job").GetUID()
			r.phase(onK8s, "job", "Succeeded")
			eventually(t, "the agent tries to say so", func() error {
				if n := len(r.toBroker.Seen(and(entityWrites, containing("Succeeded")))); n < 2 && name != "report's answer lost" || n < 1 {
					return fmt.Errorf("%d tries", n)
				}
				return nil
			})
			r.agent.kill()
			r.start()
			remove()
			r.says(componentID("job"), "Succeeded", "")
			if o := r.exists("job"); o.GetUID() != was || o.GetDeletionTimestamp() != nil {
				t.Error("it was run twice")
			}
		})
	}
}
