package faults_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hlo-agent/hlo-agent/sandbox/faults"
)

// lost answers a notification in the agent's place.
func lost() faults.Effect {
	return faults.Answer(http.StatusNoContent, http.Header{"Content-Length": {"0"}}, "")
}

// loseChange changes a component's image; the notification of it is lost.
func (r *rig) loseChange(component string, version int) {
	r.t.Helper()
	r.lose(containing(image(version)), func() { r.patch(componentID(component), object{"containerImage": prop(image(version))}) })
}

// lose loses the notification of what happens in do. It is told by match from those that are on
// their way still, such as the echo of a report that the broker shows already.
func (r *rig) lose(match faults.Match, do func()) {
	r.t.Helper()
	before := len(r.toWebhook.Seen(match))
	find := r.toWebhook.Inject(faults.Fault{Match: match, Do: lost()})
	do()
	eventually(r.t, "a notification is lost", func() error {
		if len(r.toWebhook.Seen(match)) == before {
			return fmt.Errorf("none was sent")
		}
		return nil
	})
	find()
}

// askForResync makes the agent list everything, by a notification that cannot
// be read.
func (r *rig) askForResync() {
	r.t.Helper()
	if got := r.notify([]byte("{"), nil); got != http.StatusNoContent {
		r.t.Fatalf("the webhook answers %d", got)
	}
}

// readyz checks the code of /readyz.
func (r *rig) readyz(want int) {
	r.t.Helper()
	resp, err := http.Get("http://" + r.ops + "/readyz")
	must(r.t, err)
	defer resp.Body.Close()
	if resp.StatusCode != want {
		r.t.Errorf("/readyz answers %d, want %d", resp.StatusCode, want)
	}
}

// warnings counts the warnings in the agent's log that hold a text.
func (r *rig) warnings(text string) int {
	n := 0
	for line := range strings.Lines(r.agent.said.String()) {
		if strings.Contains(line, "level=WARN") && strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// resyncs waits until n more resyncs were whole.
func (r *rig) resyncs(n int) {
	r.t.Helper()
	want := r.count("resyncs_total") + float64(n)
	eventually(r.t, "more resyncs", func() error {
		got, err := r.metric("resyncs_total")
		if err == nil && got < want {
			err = fmt.Errorf("%v of %v", got, want)
		}
		return err
	})
}

// rest waits until the agent has asked nothing of anybody for d.
func (r *rig) rest(d time.Duration) {
	r.t.Helper()
	asked := func() int { return len(r.toBroker.Seen(nil)) + len(r.toKube.Seen(clusterWrites)) }
	last, since := asked(), time.Now()
	eventually(r.t, "the agent comes to rest", func() error {
		if n := asked(); n != last {
			last, since = n, time.Now()
		}
		if time.Since(since) < d {
			return fmt.Errorf("%d requests, the last %v ago", last, time.Since(since))
		}
		return nil
	})
}

func newReader(b []byte) *bytes.Reader { return bytes.NewReader(b) }

// faultOnLists fails every list.
func faultOnLists() faults.Fault {
	return faults.Fault{Match: entityLists, Do: faults.Answer(http.StatusServiceUnavailable, nil, "")}
}

// residentMiB is the memory of the agent.
func (r *rig) residentMiB() int {
	r.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", r.agent.cmd.Process.Pid))
	must(r.t, err)
	var size, resident int
	_, err = fmt.Sscan(string(text), &size, &resident)
	must(r.t, err)
	return resident * os.Getpagesize() >> 20
}
