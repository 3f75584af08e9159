package agent

import (
	"context"
	"errors"
	"time"
)

// reloadInterval is how often files are looked at. Looking at what they hold,
// rather than waiting for events, works with the symbolic links of a mounted
// ConfigMap, with network file systems, and with editors that replace files.
const reloadInterval = 2 * time.Second

// reload is something that is made of texts from outside and replaced when they
// change. What is wrong never replaces what is right.
type reload struct {
	what string // in /readyz and the metric
	// look reads the texts: a digest of them, and what takes them into use, which
	// leaves everything as it was if it gives an error. What cannot be read has a
	// digest as well.
	look func(ctx context.Context) (digest string, take func(context.Context) error)

	used    string // what is in use
	seen    string // as it was at the last look
	refused string // what was tried in vain last
}

// again looks once. What changed counts when it is the same at two looks, so
// that nothing half written does. It says whether there is news: a nil error
// for what is in use now, or why it is not.
func (l *reload) again(ctx context.Context) (news bool, err error) {
	digest, take := l.look(ctx)
	settled := digest == l.seen
	l.seen = digest
	switch {
	case !settled, digest == l.refused, digest == l.used && l.refused == "":
		return false, nil
	case digest == l.used: // taken back
		l.refused = ""
		return true, nil
	}
	if err := take(ctx); err != nil {
		l.refused = digest
		return true, err
	}
	l.used, l.refused = digest, ""
	return true, nil
}

// keepLoaded looks at everything that can change until ctx ends.
func (s *service) keepLoaded(ctx context.Context, all ...*reload) error {
	for _, l := range all {
		if l.refused == "" {
			s.loaded(l, nil)
		}
	}
	tick := time.NewTicker(reloadInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for _, l := range all {
			news, err := l.again(ctx)
			switch {
			case !news || ctx.Err() != nil:
				continue
			case err != nil:
				s.log.Error("a change is refused, what was before stays in use", "what", l.what, "err", err)
			default:
				s.log.Info("in use as it is now", "what", l.what)
			}
			s.loaded(l, err)
			s.metrics.reloads.WithLabelValues(l.what, outcome(err)).Inc()
		}
	}
}

// loaded shows whether the newest texts are in use.
func (s *service) loaded(l *reload, err error) {
	current, text := 1.0, "ok"
	if err != nil {
		current, text = 0, "a change is refused, what was before stays in use: "+beginning(err.Error(), 2000)
	}
	s.metrics.loaded.WithLabelValues(l.what).Set(current)
	s.health.set(l.what, text)
}

func beginning(text string, most int) string {
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// rulesReload watches the files of MAPPINGS and POLICY. used is what is in use.
func (s *service) rulesReload(used ruleTexts) *reload {
	look := func(context.Context) (string, func(context.Context) error) {
		texts, err := readRules(&s.cfg)
		if err != nil {
			return failed(err)
		}
		return texts.digest(), func(ctx context.Context) error {
			now, err := texts.compile(&s.cfg)
			if err == nil && s.room != nil && s.room.within != nil {
				err = s.room.within(now)
			}
			if err == nil {
				s.replaceRules(ctx, now)
			}
			return err
		}
	}
	return &reload{what: "rules", look: look, used: used.digest(), seen: used.digest()}
}

// failed is the look at what cannot be read.
func failed(err error) (string, func(context.Context) error) {
	if err == nil {
		err = errors.New("not read")
	}
	return "error: " + err.Error(), func(context.Context) error { return err }
}
