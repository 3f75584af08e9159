package llo

import (
	"context"
	"log/slog"
	"sync"
)

// maxWarnings bounds how many different warnings of the API server are told.
const maxWarnings = 64

// warnings logs each warning that comes with an answer once.
type warnings struct {
	log *slog.Logger

	mu   sync.Mutex
	told map[string]struct{}
}

// HandleWarningHeaderWithContext implements rest.WarningHandlerWithContext. 299 is
// the only code that Kubernetes sends.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, code int, _ string, text string) {
	if code == 299 && text != "" && w.first(text) {
		w.log.Warn("the API server warns", "warning", text)
	}
}

func (w *warnings) first(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.told[text]; known || len(w.told) >= maxWarnings {
		return false
	}
	if w.told == nil {
		w.told = map[string]struct{}{}
	}
	w.told[text] = struct{}{}
	return true
}
