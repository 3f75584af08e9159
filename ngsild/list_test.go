package ngsild

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shelf is a broker that pages over texts of entities.
type shelf struct {
	entities []string
	most     int            // page size: larger limits are refused, or cut if cut is set
	cut      bool           // larger limits are cut silently
	uncount  bool           // no NGSILD-Results-Count
	stuck    bool           // ignores the offset
	fail     int            // the nth page answers 500
	before   func(page int) // called before a page is made
	queries  []string       // what was asked
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.queries = append(s.queries, r.URL.RawQuery)
	if s.before != nil {
		s.before(len(s.queries))
	}
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
	switch {
	case limit > s.most && !s.cut:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"type":"https://uri.etsi.org/ngsi-ld/errors/BadRequestData","title":"Invalid value for URI parameter /limit/","detail":"must be an integer value <= 100"}`)
		return
	case s.fail == len(s.queries):
		w.WriteHeader(http.StatusInternalServerError)
		return
	case s.stuck:
		offset = 0
	}
	offset = min(offset, len(s.entities))
	page := s.entities[offset:min(offset+min(limit, s.most), len(s.entities))]
	if !s.uncount {
		w.Header().Set("NGSILD-Results-Count", strconv.Itoa(len(s.entities)))
	}
	fmt.Fprint(w, "["+strings.Join(page, ",")+"]")
}

func things(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`{"id":"urn:x:%d","type":"T","n":%d}`, i, i)
	}
	return all
}

func (s *shelf) list(t *testing.T, q Query) (ids []EntityID, total int, err error) {
	t.Helper()
	server := httptest.NewServer(s)
	defer server.Close()
	client := NewClient(ClientConfig{BaseURL: server.URL, Transport: server.Client().Transport})
	total, err = client.List(t.Context(), q, func(page []Entity) error {
		for _, e := range page {
			ids = append(ids, e.ID)
		}
		return nil
	})
	return ids, total, err
}

func TestListPages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		shelf          shelf
		total, queries int
	}{
		"none":                       {shelf{most: 1000}, 0, 1},
		"one page":                   {shelf{entities: things(1000), most: 1000}, 1000, 1},
		"three pages":                {shelf{entities: things(2001), most: 1000}, 2001, 3},
		"limit refused":              {shelf{entities: things(250), most: 100}, 250, 4},
		"limit cut silently":         {shelf{entities: things(250), most: 100, cut: true}, 250, 3},
		"no count":                   {shelf{entities: things(1500), most: 1000, uncount: true}, -1, 3},
		"no count, none":             {shelf{most: 1000, uncount: true}, -1, 1},
		"no count, limit cut":        {shelf{entities: things(150), most: 100, cut: true, uncount: true}, -1, 3},
		"no count, offset ignored":   {shelf{entities: things(100), most: 1000, stuck: true, uncount: true}, -1, 2},
		"no count, limit refused":    {shelf{entities: things(100), most: 100, uncount: true}, -1, 3},
		"exactly one page, no count": {shelf{entities: things(1000), most: 1000, uncount: true}, -1, 2},
	} {
		ids, total, err := c.shelf.list(t, Query{Types: []string{"T"}, Local: true})
		if err != nil || total != c.total || len(c.shelf.queries) != c.queries {
			t.Errorf("%s: total %d, want %d; %d queries, want %d; %v", name, total, c.total, len(c.shelf.queries), c.queries, err)
		}
		distinct := map[EntityID]bool{}
		for _, id := range ids {
			distinct[id] = true
		}
		if len(distinct) != len(c.shelf.entities) {
			t.Errorf("%s: %d entities, want %d", name, len(distinct), len(c.shelf.entities))
		}
	}
}

func TestListQuery(t *testing.T) {
	t.Parallel()
	s := shelf{most: 1000}
	_, _, err := s.list(t, Query{
		Types: []string{"A", "B"}, IDs: []EntityID{"urn:x:1", "urn:x:a,b&c"}, Attrs: []string{"n", "https://a.example/x"},
		Q: `name=="a b+c"`, Local: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"limit=1000&offset=0&count=true&type=A,B&id=urn:x:1,urn:x:a%2Cb%26c&attrs=n,https:%2F%2Fa.example%2Fx&q=name%3D%3D%22a%20b%2Bc%22&local=true"}
	if diff := cmp.Diff(want, s.queries); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestListByIDs asks in portions, and adds up what is there.
func TestListByIDs(t *testing.T) {
	t.Parallel()
	ids := make([]EntityID, 120)
	for i := range ids {
		ids[i] = EntityID(fmt.Sprint("urn:x:", i))
	}
	s := shelf{entities: things(7), most: 1000}
	got, total, err := s.list(t, Query{IDs: ids, Local: true})
	if err != nil || total != 21 || len(got) != 21 || len(s.queries) != 3 {
		t.Errorf("%d entities of %d in %d queries, %v", len(got), total, len(s.queries), err)
	}
	if n := strings.Count(s.queries[0], "urn:x:"); n != 50 {
		t.Errorf("first query asks for %d ids", n)
	}
	s = shelf{entities: things(7), most: 1000, uncount: true}
	if _, total, err := s.list(t, Query{IDs: ids}); total != -1 || err != nil {
		t.Errorf("without count: total %d, %v", total, err)
	}
	s = shelf{entities: things(7), most: 1000, fail: 3}
	if _, _, err := s.list(t, Query{IDs: ids}); !errors.Is(err, ErrRetry) || len(s.queries) != 3 {
		t.Errorf("second portion fails: %v after %d queries", err, len(s.queries))
	}
}

func TestShortLists(t *testing.T) {
	t.Parallel()
	bad := append(things(3), `{"id":"urn:x:bad"}`, `{}`)
	for name, c := range map[string]struct {
		shelf          shelf
		message        string
		received       int
		short, broken  bool
		gone, appeared int // before which page an entity goes or comes
	}{
		"offset ignored":  {shelf: shelf{entities: things(150), most: 100, cut: true, stuck: true}, message: "list entities: list differs from its count: 100 of 150", received: 200, short: true},
		"entity goes":     {shelf: shelf{entities: things(1500), most: 1000}, gone: 2, message: "list entities: list differs from its count: 1499 of 1499", received: 1499, short: true},
		"entity comes":    {shelf: shelf{entities: things(1500), most: 1000}, appeared: 2, message: "list entities: list differs from its count: 1500 of 1501", received: 1501, short: true},
		"some unreadable": {shelf: shelf{entities: bad, most: 1000}, message: "list entities: entity urn:x:bad: no type\nentity 4: no id", received: 3, broken: true},
	} {
		s := &c.shelf
		s.before = func(page int) {
			if page == c.gone {
				s.entities = s.entities[1:]
			}
			if page == c.appeared {
				s.entities = append([]string{`{"id":"urn:x:new","type":"T"}`}, s.entities...)
			}
		}
		ids, _, err := s.list(t, Query{Local: true})
		if err == nil || err.Error() != c.message {
			t.Errorf("%s: got %v, want %s", name, err, c.message)
		}
		var unreadable EntityError
		if errors.Is(err, ErrShortList) != c.short || errors.As(err, &unreadable) != c.broken {
			t.Errorf("%s: %#v is not what it should be", name, err)
		}
		if len(ids) != c.received {
			t.Errorf("%s: %d entities, want %d", name, len(ids), c.received)
		}
	}
}

func TestListErrors(t *testing.T) {
	t.Parallel()
	s := shelf{entities: things(2500), most: 1000, fail: 2}
	ids, total, err := s.list(t, Query{Local: true})
	if len(ids) != 1000 || total != 2500 || !errors.Is(err, ErrRetry) || err.Error() != "list entities: broker answered 500 Internal Server Error" {
		t.Errorf("second page fails: %d of %d, %v", len(ids), total, err)
	}
	for name, c := range map[string]struct {
		answer, message string
		kind            error
	}{
		"too broad": {answered(t, "f01_not_found_and_count_aeros-flags", "GET", "/ngsi-ld/v1/entities", 0),
			`list entities: broker answered 400 "Too broad query": Need at least one of: entity-id, entity-type, geo-location, attribute-list, Q-filter, local=true, or an entity map`, ErrInvalid},
		"login page": {plainAnswer(200, `<html>`), `list entities: try again: the answer is no list: entities: invalid character '<' looking for beginning of value`, ErrRetry},
		"wrong path": {answered(t, "h03_lists_and_404", "GET", "/ngsi-ld/v1/entitiez", 0), `list entities: broker answered 404 "Service Not Found": /ngsi-ld/v1/entitiez`, ErrRetry},
	} {
		broker := newReplay(t)
		broker.on("GET /ngsi-ld/v1/entities?limit=1000&offset=0&count=true", c.answer)
		_, err := broker.client().List(t.Context(), Query{}, func([]Entity) error { return nil })
		if err == nil || err.Error() != c.message || !errors.Is(err, c.kind) {
			t.Errorf("%s: got  %v\nwant %s", name, err, c.message)
		}
	}
	stop := errors.New("enough")
	server := httptest.NewServer(&shelf{entities: things(2500), most: 1000})
	defer server.Close()
	client := NewClient(ClientConfig{BaseURL: server.URL, Transport: server.Client().Transport})
	calls := 0
	_, err = client.List(t.Context(), Query{Local: true}, func([]Entity) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("stopped: %v after %d pages", err, calls)
	}
}

// TestRecordedPage reads a page as Orion-LD counted and sent it.
func TestRecordedPage(t *testing.T) {
	t.Parallel()
	broker := newReplay(t)
	const query = "GET /ngsi-ld/v1/entities?limit=1000&offset=%d&count=true&type=A&local=true"
	for offset, nth := range map[int]string{0: "0", 2: "4"} {
		broker.on(fmt.Sprintf(query, offset), answered(t, "h03_lists_and_404", "GET", "/ngsi-ld/v1/entities?type=A&local=true&limit=2&offset="+nth+"&count=true", 0))
	}
	broker.on(fmt.Sprintf(query, 4), answered(t, "h03_lists_and_404", "GET", "/ngsi-ld/v1/entities?type=A&local=true&limit=2&offset=100&count=true", 0))
	var ids []EntityID
	total, err := broker.client().List(t.Context(), Query{Types: []string{"A"}, Local: true}, func(page []Entity) error {
		for _, e := range page {
			ids = append(ids, e.ID)
		}
		return nil
	})
	if diff := cmp.Diff([]EntityID{"urn:ngsi-ld:L:a", "urn:ngsi-ld:L:p0", "urn:ngsi-ld:L:p3", "urn:ngsi-ld:L:p4"}, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if total != 6 || !errors.Is(err, ErrShortList) {
		t.Errorf("total %d, %v; the middle page was left out", total, err)
	}
}
