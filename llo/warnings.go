package llo

import (
	"log/slog"
	"sync"

	"k8s.io/apimachinery/pkg/util/net"
)

// maxWarnings bounds how many different warnings of the API server are told.
const maxWarnings = 64

// warnings logs each warning that comes with an answer once.
type warnings struct {
	log *slog.Logger

	mu   sync.Mutex
	told map[string]struct{}
}

// tell logs a warning without what may not show. 299 is the only code that Kubernetes
// sends.
func (w *warnings) tell(warning net.WarningHeader, hidden func() Texts) {
	text := warning.Text
	if warning.Code != 299 || text == "" {
		return
	}
	if hidden != nil {
		text = hidden().CutFrom(text)
	}
	if w.first(text) {
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
