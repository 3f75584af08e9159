package ngsild

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Page sizes: the most that NGSI-LD brokers allow, and what is tried where a
// broker refuses that.
const (
	pageSize      = 1000
	smallPageSize = 100
	idsPerQuery   = 50
	maxPages      = 100_000
)

// Query selects entities. A broker refuses one that selects by nothing.
type Query struct {
	Types []string
	IDs   []EntityID // asked for in portions; ids that are not there are left out
	Local bool       // what this broker holds itself; only then a distributed one counts
	Attrs []string   // only entities that have one of these, and of their attributes only these
	Q     string     // filter, text values in quotes
}

// List reads the selected entities and hands them over page by page, from the
// caller's goroutine; an error of page ends it. total is what the broker
// counted, -1 if it did not. Entities that cannot be read are left out and
// reported, as EntityError, in the error that is returned after the last page;
// so is ErrShortList if the entities that came are not those that were counted.
func (c *Client) List(ctx context.Context, q Query, page func([]Entity) error) (total int, err error) {
	if len(q.IDs) == 0 {
		return c.list(ctx, q, page)
	}
	var errs []error
	for ids := range slices.Chunk(q.IDs, idsPerQuery) {
		part := q
		part.IDs = ids
		count, err := c.list(ctx, part, page)
		if err != nil && !partial(err) {
			return -1, err
		}
		errs = append(errs, err)
		if count < 0 || total < 0 {
			total = -1
		} else {
			total += count
		}
	}
	return total, errors.Join(errs...)
}

// partial reports an error of a list that was read to its end all the same.
func partial(err error) bool {
	var read *listError
	return errors.As(err, &read)
}

// listError holds what was wrong with a list that was read to its end.
type listError struct{ errs []error }

func (e *listError) Error() string   { return "list entities: " + errors.Join(e.errs...).Error() }
func (e *listError) Unwrap() []error { return e.errs }

// listing is the state of one list while it is read.
type listing struct {
	limit, offset int
	total         int // -1 until the broker counted
	moved         bool
	seen          map[EntityID]struct{}
	nameless      int // entities that could not be read at all
	errs          []error
}

func (c *Client) list(ctx context.Context, q Query, page func([]Entity) error) (int, error) {
	l := listing{limit: pageSize, total: -1, seen: map[EntityID]struct{}{}}
	for range maxPages {
		entities, last, err := c.page(ctx, q, &l)
		if err != nil {
			return l.total, err
		}
		if len(entities) > 0 {
			if err := page(entities); err != nil {
				return l.total, err
			}
		}
		if last {
			return l.total, l.verdict()
		}
	}
	return l.total, fmt.Errorf("list entities: %w: no end after %d pages", ErrShortList, maxPages)
}

// page reads the next page and reports whether it was the last.
func (c *Client) page(ctx context.Context, q Query, l *listing) (entities []Entity, last bool, err error) {
	got, err := c.call(ctx, request{
		verb: "list_entities", doing: "list entities", method: http.MethodGet,
		path: q.path(l.limit, l.offset), limit: maxListAnswer,
	})
	if err != nil && l.offset == 0 && l.limit == pageSize && refusesLimit(err) {
		l.limit = smallPageSize
		return c.page(ctx, q, l)
	}
	if err != nil {
		return nil, false, err
	}
	l.count(got.header)
	entities, errs := DecodeEntities(got.body)
	if len(errs) > 0 && errs[0].(EntityError).Index < 0 {
		return nil, false, fmt.Errorf("list entities: %w: the answer is no list: %w", ErrRetry, errs[0])
	}
	received := len(entities) + len(errs)
	l.offset += received
	fresh := l.remember(entities, errs)
	return entities, received == 0 || !fresh || l.total >= 0 && l.offset >= l.total, nil
}

// count notes what the broker counted, and whether that moved between pages.
func (l *listing) count(header http.Header) {
	count, err := strconv.Atoi(header.Get("NGSILD-Results-Count"))
	if err != nil || count < 0 {
		return
	}
	l.moved = l.moved || l.total >= 0 && l.total != count
	l.total = count
}

// remember reports whether any of the entities is new. A page without news
// means that the broker does not page.
func (l *listing) remember(entities []Entity, errs []error) bool {
	before := len(l.seen)
	for i := range entities {
		l.seen[entities[i].ID] = struct{}{}
	}
	for _, err := range errs {
		if id := err.(EntityError).ID; id != "" {
			l.seen[id] = struct{}{}
		} else {
			l.nameless++
		}
	}
	l.errs = append(l.errs, errs...)
	return len(l.seen) > before
}

func (l *listing) verdict() error {
	received := len(l.seen) + l.nameless
	if l.total >= 0 && (received != l.total || l.moved) {
		l.errs = append(l.errs, fmt.Errorf("%w: %d of %d", ErrShortList, received, l.total))
	}
	if len(l.errs) == 0 {
		return nil
	}
	return &listError{l.errs}
}

// refusesLimit reports an answer that finds the page too large: Orion-LD names
// the parameter, others use the error type of the specification.
func refusesLimit(err error) bool {
	var problem *ProblemError
	if !errors.As(err, &problem) || problem.Status != http.StatusBadRequest && problem.Status != http.StatusForbidden {
		return false
	}
	return strings.Contains(problem.Title+problem.Detail, "limit") || strings.HasSuffix(problem.Type, "/TooManyResults")
}

func (q Query) path(limit, offset int) string {
	parameters := []string{"limit=" + strconv.Itoa(limit), "offset=" + strconv.Itoa(offset), "count=true"}
	add := func(name string, values []string) {
		if len(values) > 0 {
			parameters = append(parameters, name+"="+escapeList(values))
		}
	}
	add("type", q.Types)
	ids := make([]string, len(q.IDs))
	for i, id := range q.IDs {
		ids[i] = string(id)
	}
	add("id", ids)
	add("attrs", q.Attrs)
	if q.Q != "" {
		parameters = append(parameters, "q="+escape(q.Q))
	}
	if q.Local {
		parameters = append(parameters, "local=true")
	}
	return "/entities?" + strings.Join(parameters, "&")
}

func escapeList(values []string) string {
	escaped := make([]string, len(values))
	for i, value := range values {
		escaped[i] = segment(value)
	}
	return strings.Join(escaped, ",")
}
