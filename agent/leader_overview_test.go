package agent

import (
	"testing"
	"time"
)

func TestLeaderText(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	for want, l := range map[string]leaderOverview{
		"pod-a_1f, renewed 2s ago":                             {Holder: "pod-a_1f", Renewed: now.Add(-2 * time.Second), Acts: true},
		"nobody: the last copy has given the lead up":          {Renewed: now},
		"nobody: the lead of pod-a_1f ran out, renewed 3m ago": {Holder: "pod-a_1f", Renewed: now.Add(-3 * time.Minute)},
	} {
		if got := l.text(now); got != want {
			t.Errorf("%+v: %q, want %q", l, got, want)
		}
	}
}
