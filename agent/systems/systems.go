package systems

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/hlo-agent/hlo-agent/homing"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Broker lists entities; *ngsild.Client does.
type Broker interface {
	List(ctx context.Context, q ngsild.Query, page func([]ngsild.Entity) error) (int, error)
}

// Config says how systems are reached.
type Config struct {
	// Broker answers for systems that are queries for entities; nil is none.
	Broker Broker
	// Transport carries requests instead of a new http.Transport, if it is given;
	// it then decides about certificates too.
	Transport http.RoundTripper
	// Fence, if set, is put before the way of reservations and releases, which are all
	// that changes something at a system.
	Fence func(way http.RoundTripper) http.RoundTripper
	// Life, if set, ends reservations and releases that are under way when it ends.
	Life context.Context
	// Observe, if set, hears of every request to a system: its name in the file
	// and the error, nil for a good answer. It is called from many goroutines.
	Observe func(system string, err error)
}

// Set is the configured systems: homing.Systems and, for each plan, a
// homing.Reserver. A nil *Set is none. Safe for concurrent use.
type Set struct {
	all  []*endpoint
	life context.Context
}

// endpoint is one system and how it is reached.
type endpoint struct {
	system
	way     http.RoundTripper
	booking http.RoundTripper // for what changes something there
	broker  Broker
	observe func(string, error)
}

// Load reads the file that names the systems. The error holds everything that is
// wrong with it.
func Load(path string, cfg Config) (*Set, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return New(data, cfg)
}

// New is Load for the file's text.
func New(data []byte, cfg Config) (*Set, error) {
	list, err := parse(data)
	if err != nil {
		return nil, err
	}
	s := &Set{life: cfg.Life}
	if s.life == nil {
		s.life = context.Background()
	}
	var errs []error
	for i, one := range list {
		way := cfg.Transport
		if way == nil {
			own, err := one.transport()
			if err != nil {
				errs = append(errs, fmt.Errorf("systems[%d].caFile: %w", i, err))
				continue
			}
			way = own
		}
		booking := way
		if cfg.Fence != nil {
			booking = cfg.Fence(way)
		}
		observe := cfg.Observe
		if observe == nil {
			observe = func(string, error) {}
		}
		s.all = append(s.all, &endpoint{one, way, booking, cfg.Broker, observe})
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return s, nil
}

// Answer implements homing.Systems. It takes as long as the slowest system that
// is asked, at most its timeout.
func (s *Set) Answer(ctx context.Context, questions []homing.Question) []homing.Answer {
	answers := make([]homing.Answer, len(questions))
	of := map[*endpoint][]int{}
	var group sync.WaitGroup
	for i, q := range questions {
		e := s.find(kindOf(q.Type), q.Controller, answering)
		switch {
		case q.Type == homing.AskNetwork:
			group.Go(func() { answers[i] = s.network(ctx, q) })
		case e == nil:
			answers[i].Err = homing.ErrNotConfigured
		default:
			of[e] = append(of[e], i)
		}
	}
	for e, places := range of {
		group.Go(func() {
			asked := make([]homing.Question, len(places))
			for k, i := range places {
				asked[k] = questions[i]
			}
			for k, a := range e.answer(ctx, asked) {
				answers[places[k]] = a
			}
		})
	}
	group.Wait()
	return answers
}

// kindOf is the kind of system that answers a type of question.
func kindOf(question string) string {
	switch question {
	case homing.AskVIM:
		return kindVIM
	case homing.AskLicense:
		return kindLicense
	case homing.AskNetwork:
		return kindNetwork
	}
	return kindService
}

// find is the system of that kind and name, or else the one for all names, that
// can do what is wanted.
func (s *Set) find(kind, name string, can func(*endpoint) bool) *endpoint {
	if s == nil {
		return nil
	}
	var other *endpoint
	for _, e := range s.all {
		switch {
		case e.Kind != kind || !can(e):
		case strings.EqualFold(e.Name, name):
			return e
		case e.Name == "*":
			other = e
		}
	}
	return other
}

func answering(e *endpoint) bool { return e.URL != "" || e.Entities != nil }
func reserving(e *endpoint) bool { return e.Reserve != "" }

// answer puts several questions to one system, within its timeout. Where it fails,
// all its answers say so.
func (e *endpoint) answer(ctx context.Context, questions []homing.Question) []homing.Answer {
	ctx, cancel := context.WithTimeout(ctx, e.Timeout)
	defer cancel()
	var answers []homing.Answer
	var err error
	switch {
	case e.Entities != nil:
		answers, err = e.fromEntities(ctx, questions)
	case e.Kind == kindVIM:
		answers, err = e.capacity(ctx, questions)
	default:
		answers, err = e.checks(ctx, questions)
	}
	if err != nil {
		answers = make([]homing.Answer, len(questions))
		for i := range answers {
			answers[i].Err = err
		}
	}
	return answers
}

// network asks all providers of links. What the others know counts even when one
// fails; that it did is in the answer too.
func (s *Set) network(ctx context.Context, q homing.Question) homing.Answer {
	answer := homing.Answer{Err: homing.ErrNotConfigured}
	if s == nil {
		return answer
	}
	var providers []*endpoint
	for _, e := range s.all {
		if e.Kind == kindNetwork {
			providers = append(providers, e)
		}
	}
	if len(providers) == 0 {
		return answer
	}
	links, errs := make([][]homing.Link, len(providers)), make([]error, len(providers))
	var group sync.WaitGroup
	for i, e := range providers {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, e.Timeout)
			defer cancel()
			if links[i], errs[i] = e.links(ctx, q.Candidates); errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", e.Name, errs[i])
			}
		})
	}
	group.Wait()
	answer.Err = errors.Join(errs...)
	answer.Links = slices.Concat(links...)
	slices.SortStableFunc(answer.Links, func(a, b homing.Link) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
	return answer
}
