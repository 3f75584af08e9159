package agent

import (
	"testing"
	"time"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

func TestBrokerClock(t *testing.T) {
	t.Parallel()
	var c brokerClock
	if !c.by(epoch).IsZero() {
		t.Error("a time is known before anything was heard")
	}
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	ahead := time.Hour // of the broker's clock
	c.heard(at(0).Add(ahead), at(3))
	c.heard(at(10).Add(ahead), at(10).Add(time.Millisecond)) // came fast
	c.heard(at(20).Add(ahead), at(50))
	if got, want := c.by(at(60)), at(60).Add(ahead-time.Millisecond); !got.Equal(want) {
		t.Errorf("at %v the broker's clock is thought to show %v, want %v", at(60), got, want)
	}
	c.heard(at(700), at(700)) // it was set right
	if got := c.by(at(701)); !got.Equal(at(701)) {
		t.Errorf("after the broker's clock was set back it is thought to show %v", got)
	}
}

// What was listed is newer than a notification from before, however late that comes.
func TestLateNotificationsAreOrderedAmongReads(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		listed, late string
		sent         int // seconds
		doubt        bool
		order        order
	}{
		"an end before it was made anew":      {"Starting", "Finished", 5, false, starting},
		"a removal before it was made anew":   {"Starting", "Removing", 5, true, starting},
		"a removal on its way when it listed": {"Starting", "Removing", 9, true, removing},
		"a removal that a report crossed":     {"Running", "Removing", 5, true, removing},
		"a removal after the list":            {"Running", "Removing", 13, false, removing},
		"a report before the list":            {"Failed", "Running", 5, false, none},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := epoch
			tr := newTracker(func() time.Time { return now })
			tr.broker.heard(epoch, epoch)
			now = epoch.Add(10 * time.Second)
			tr.listed(component(c.listed), now)
			now = epoch.Add(14 * time.Second)
			tr.notified(component(c.late), epoch.Add(time.Duration(c.sent)*time.Second))
			if v, _ := tr.get(someID); v.doubt != c.doubt || v.order != c.order {
				t.Errorf("doubt %v, order %q; want %v, %q", v.doubt, v.order, c.doubt, c.order)
			}
		})
	}
}

func TestLateNewsOfAnUnknownEntityIsRead(t *testing.T) {
	t.Parallel()
	now := epoch.Add(30 * time.Second)
	for late, doubt := range map[time.Duration]bool{0: false, time.Second: false, 5 * time.Second: true} {
		tr := newTracker(func() time.Time { return now })
		tr.broker.heard(epoch, epoch)
		tr.notified(component("Starting"), now.Add(-late))
		if v, _ := tr.get(ngsild.EntityID(someID)); v.doubt != doubt {
			t.Errorf("news that come %v late leave doubt: %v", late, v.doubt)
		}
	}
}
