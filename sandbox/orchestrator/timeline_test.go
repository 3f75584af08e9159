package orchestrator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// glimpse is a state at a time, as a line of a table.
type glimpse struct {
	At    time.Duration
	Phase string
	Why   string
}

// seconds puts a state and the time at which it begins, in seconds, on a line.
func seconds(at float64, s state) glimpse {
	return glimpse{At: time.Duration(at * float64(time.Second)), Phase: s.phase, Why: s.reason}
}

func TestCourse(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		image          string
		isJob, changed bool
		want           []glimpse
	}{
		"plain": {image: "a:1", want: []glimpse{
			seconds(0, pending()), seconds(0.3, starting()), seconds(1, running())}},
		"changed": {image: "a:1", changed: true, want: []glimpse{
			seconds(0, starting()), seconds(1, running())}},
		"job": {image: "a:1", isJob: true, want: []glimpse{
			seconds(0, pending()), seconds(0.3, starting()), seconds(1, running()), seconds(2, exited(0))}},
		"slow": {image: "a-sim-slow:1", want: []glimpse{
			seconds(0, pending()), seconds(3, starting()), seconds(10, running())}},
		"fails": {image: "a-sim-fails:1", want: []glimpse{
			seconds(0, pending()), seconds(0.3, starting()), seconds(1, pullFailed())}},
		"job that fails to start": {image: "a-sim-fails:1", isJob: true, want: []glimpse{
			seconds(0, pending()), seconds(0.3, starting()), seconds(1, pullFailed())}},
		"recovers": {image: "a-sim-recovers:1", want: []glimpse{
			seconds(0, pending()), seconds(0.3, starting()), seconds(1, pullFailed()), seconds(3, running())}},
		"crashes": {image: "a-sim-job-fails:1", isJob: true, want: []glimpse{
			seconds(0, pending()), seconds(0.3, starting()), seconds(1, running()), seconds(2, exited(1))}},
		"degrades": {image: "a-sim-degrades:1", want: []glimpse{
			seconds(0, pending()), seconds(0.3, starting()), seconds(1, running()), seconds(3, degraded()),
			seconds(4, running())}},
		"flaps": {image: "a-sim-flaps:1", want: []glimpse{
			seconds(0, pending()), seconds(0.3, starting()), seconds(1, running()), seconds(3, degraded()),
			seconds(4, running()), seconds(6, degraded()), seconds(7, running()), seconds(9, degraded())}},
		"slow and flaps": {image: "sim-flaps/sim-slow", want: []glimpse{
			seconds(0, pending()), seconds(3, starting()), seconds(10, running()), seconds(30, degraded()),
			seconds(40, running())}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := course(profileOf(c.image), c.isJob, c.changed, time.Second)
			var got []glimpse
			var at time.Duration
			for len(got) < len(c.want) {
				s, holds := line.at(at)
				got = append(got, glimpse{At: at, Phase: s.phase, Why: s.reason})
				if holds == 0 {
					break
				}
				if before, _ := line.at(at + holds - 1); before != s {
					t.Errorf("at %s: %v does not hold for %s", at, s, holds)
				}
				at += holds
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("course of %s (-want +got):\n%s", c.image, diff)
			}
			if _, holds := line.at(at); (line.repeat == 0) != (holds == 0) && len(got) == len(c.want) {
				t.Errorf("after the last step of %s: holds %s more", c.image, holds)
			}
		})
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	if got := profileOf("registry.example.org/simple/similar:1"); got != (profile{}) {
		t.Errorf("an image without a word: %+v", got)
	}
	seen := map[profile]string{}
	for _, w := range Words() {
		p := profileOf("registry.example.org/a-" + w.Word + ":1")
		if p == (profile{}) {
			t.Errorf("%s changes nothing", w.Word)
		}
		if other, ok := seen[p]; ok {
			t.Errorf("%s does the same as %s", w.Word, other)
		}
		seen[p] = w.Word
	}
	both := profileOf("sim-flaps-sim-holds-delete:sim-conditions")
	if want := (profile{ending: flaps, holdsDelete: true, conditionsOnly: true}); both != want {
		t.Errorf("combined: got %+v, want %+v", both, want)
	}
}
