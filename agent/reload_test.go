package agent

import (
	"context"
	"errors"
	"testing"
)

// TestReloadLooks: what changed is tried once it is the same at two looks, and
// what is refused is not tried again until it changes.
func TestReloadLooks(t *testing.T) {
	t.Parallel()
	text, taken := "good", 0
	l := &reload{used: "good", seen: "good"}
	l.look = func(context.Context) (string, func(context.Context) error) {
		now := text
		return now, func(context.Context) error {
			taken++
			if now == "bad" {
				return errors.New("bad")
			}
			return nil
		}
	}
	for i, step := range []struct {
		text     string
		news     bool
		err      bool
		used     string
		attempts int
	}{
		{"good", false, false, "good", 0},
		{"half", false, false, "good", 0}, // being written
		{"better", false, false, "good", 0},
		{"better", true, false, "better", 1},
		{"better", false, false, "better", 1},
		{"bad", false, false, "better", 1},
		{"bad", true, true, "better", 2},
		{"bad", false, false, "better", 2},
		{"better", false, false, "better", 2}, // taken back
		{"better", true, false, "better", 2},
		{"better", false, false, "better", 2},
		{"bad", false, false, "better", 2},
		{"bad", true, true, "better", 3}, // it may depend on other things, too
		{"best", false, false, "better", 3},
		{"best", true, false, "best", 4},
	} {
		text = step.text
		news, err := l.again(t.Context())
		if news != step.news || (err != nil) != step.err || l.used != step.used || taken != step.attempts {
			t.Fatalf("step %d (%s): news %v, error %v, in use %s, tried %d times; want %+v", i, step.text, news, err, l.used, taken, step)
		}
	}
}
