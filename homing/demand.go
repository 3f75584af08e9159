package homing

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// demand is one thing to place; requirements are alternatives.
type demand struct {
	name         string
	requirements []*requirement
	existing     string             // where it is now
	present      map[string]float64 // what it uses there; nil means as much as is requested
	key          string             // equal for demands that draw the same candidates
}

// requirement says where candidates of a demand come from.
type requirement struct {
	provider, kind     string
	filters            map[string]any
	passthrough        map[string]any
	defaults           map[string]any
	extra              map[string]any // fields every candidate gets
	customer, service  []string
	region, site       string
	cost               *float64
	required, excluded []naming
	hasRequired        bool
	candidates         []map[string]any // explicit list, nil for a query
	conflict           []any
}

// naming is an id, and the type of candidate that it is meant for if given.
type naming struct{ id, kind string }

var (
	providers    = []string{"aai", "generator", "sdc", "aerios", "ngsi-ld"}
	kindsOfThing = []string{"cloud", "service", "transport", "vfmodule", "nssi", "nsi", "slice_profiles", "nst", "nsst", element, component}
	demandKeys   = []string{
		"inventory_provider", "inventory_type", "filtering_attributes", "attributes", "passthrough_attributes", "default_attributes",
		"service_type", "customer_id", "service_id", "default_cost", "flavor", "subdivision", "required_candidates", "excluded_candidates",
		"existing_placement", "unique", "region", "complex", "service_resource_id", "service_subscription", "vlan_key", "port_key",
		"conflict_identifier", "candidates",
	}
	candidateKeys = []string{"candidate_id", "cost", "inventory_type", "location_id", "location_type"}
)

const (
	element   = "infrastructure_element"
	component = "service_component"
)

func (p *parser) demands(section any) {
	p.names = map[string]bool{}
	all, ok := open(section, "demands", " of name to list of requirements, at least one", p.found)
	if ok && len(all.m) == 0 {
		p.found.add("demands", "no demand is provided: accepted is at least one")
	}
	for _, name := range sortedKeys(all.m) {
		p.names[name] = true
		d := &demand{name: name}
		list, ok := all.m[name].([]any)
		if !ok || len(list) == 0 {
			all.wrong(name, all.m[name], "a list of at least one requirement")
		}
		for i, item := range list {
			r, ok := open(item, fmt.Sprintf("%s[%d]", all.at(name), i), " with inventory_provider and inventory_type", p.found)
			if ok {
				d.requirements = append(d.requirements, p.requirement(d, r))
			}
		}
		d.key = drawKey(list)
		p.t.demands = append(p.t.demands, d)
	}
}

// drawKey is the same for demands that differ in their existing placement only.
func drawKey(list []any) string {
	var same []any
	for _, item := range list {
		m, _ := item.(map[string]any)
		rest := map[string]any{}
		for k, v := range m {
			if k != "existing_placement" {
				rest[k] = v
			}
		}
		same = append(same, rest)
	}
	text, err := json.Marshal(same)
	if err != nil {
		return fmt.Sprintf("%p", &list) // it has an error, and is never drawn
	}
	return string(text)
}

func (p *parser) requirement(d *demand, r *reader) *requirement {
	r.only(demandKeys...)
	q := &requirement{
		region: r.text("region"), site: r.text("complex"), customer: r.words("customer_id"), service: r.words("service_type"),
		passthrough: r.mapping("passthrough_attributes"), defaults: r.mapping("default_attributes"), extra: map[string]any{},
	}
	explicit := r.has("candidates")
	if !explicit || r.has("inventory_provider") {
		q.provider = r.word("inventory_provider", providers...)
	}
	if !explicit || r.has("inventory_type") {
		q.kind = r.word("inventory_type", kindsOfThing...)
	}
	if r.has("default_cost") {
		cost := r.number("default_cost", 0)
		q.cost = &cost
	}
	p.filters(q, r)
	p.customers(q, r)
	p.extras(q, r)
	q.required = p.namings(r, "required_candidates")
	q.excluded = p.namings(r, "excluded_candidates")
	q.hasRequired = r.has("required_candidates")
	for _, n := range q.required {
		if slices.ContainsFunc(q.excluded, func(e naming) bool { return e.id == n.id }) {
			p.found.add(r.path, "candidate %q is both required and excluded: accepted is one of the two", n.id)
		}
	}
	p.existing(d, r)
	p.explicit(q, r)
	if q.kind == "slice_profiles" {
		p.profiles(q, r)
	}
	return q
}

func (p *parser) filters(q *requirement, r *reader) {
	key := "filtering_attributes"
	if !r.has(key) && r.has("attributes") {
		key = "attributes"
	} else if r.has("attributes") {
		p.found.add(r.at("attributes"), "filtering_attributes is there too: accepted is one of the two")
	}
	q.filters = r.mapping(key)
	if q.kind == "slice_profiles" {
		return
	}
	for _, name := range sortedKeys(q.filters) {
		m, ok := q.filters[name].(map[string]any)
		if !ok {
			continue
		}
		f, _ := open(m, r.at(key)+"."+name, "", p.found)
		f.only("any", "not")
		if len(m) == 0 {
			p.found.add(f.path, "an empty mapping: accepted is a value, a list, {any: […]} or {not: […]}")
		}
		for _, op := range sortedKeys(m) {
			f.list(op)
		}
	}
}

// customers checks what service inventories need to be asked.
func (p *parser) customers(q *requirement, r *reader) {
	if q.kind == "transport" && empty(r.m["service_subscription"]) {
		p.warn.add(r.at("service_subscription"), "a transport demand is asked for by subscription, and none is given")
	}
	if q.kind != "service" && q.kind != "vfmodule" || r.has("candidates") {
		return
	}
	if len(q.filters) == 0 {
		r.need("customer_id", "the customer whose instances are meant, when there are no filtering_attributes")
		r.need("service_type", "the type of service that is meant, when there are no filtering_attributes")
		return
	}
	if _, ok := q.filters["customer-id"]; ok {
		return
	}
	if _, ok := q.filters["global-customer-id"]; !ok {
		p.found.add(r.at("filtering_attributes"), "names no customer: accepted for %s is a mapping with customer-id or global-customer-id", q.kind)
	}
}

func (p *parser) extras(q *requirement, r *reader) {
	q.extra["uniqueness"] = "true"
	if v, ok := r.m["unique"]; ok {
		b, isTruth := ngsild.Truth(v)
		if !isTruth {
			r.wrong("unique", v, `"true" or "false"`)
		}
		q.extra["uniqueness"] = fmt.Sprint(b)
	}
	for _, key := range []string{"service_resource_id", "vlan_key", "port_key"} {
		if text := r.text(key); text != "" {
			q.extra[key] = text
		}
	}
	for i, item := range r.list("conflict_identifier") {
		if m, ok := item.(map[string]any); ok {
			c, _ := open(m, fmt.Sprintf("%s[%d]", r.at("conflict_identifier"), i), "", p.found)
			c.only("get_candidate_attribute")
			c.need("get_candidate_attribute", "the name of a candidate's field")
		} else if _, ok := item.(string); !ok {
			r.wrong("conflict_identifier", item, "text or {get_candidate_attribute: field}")
		}
		q.conflict = append(q.conflict, item)
	}
}

// namings reads a list of ids, or of mappings that hold an id or a list of them.
func (p *parser) namings(r *reader, key string) []naming {
	v, ok := r.m[key]
	if !ok {
		return nil
	}
	var names []naming
	take := func(kind, path string, ids any) {
		for _, id := range listed(ids) {
			text, ok := plain(id)
			if !ok || text == "" {
				p.found.add(path, "%s: accepted is a candidate's id or a list of ids", kindOf(id))
				continue
			}
			names = append(names, naming{text, kind})
		}
	}
	for i, item := range listed(v) {
		path := fmt.Sprintf("%s[%d]", r.at(key), i)
		m, isMapping := item.(map[string]any)
		if !isMapping {
			take("", path, item)
			continue
		}
		c, _ := open(m, path, "", p.found)
		c.only(candidateKeys...)
		if ids, ok := c.need("candidate_id", "an id or a list of ids"); ok {
			take(c.text("inventory_type"), path+".candidate_id", ids)
		}
	}
	return names
}

func (p *parser) existing(d *demand, r *reader) {
	v, ok := r.m["existing_placement"]
	if !ok || empty(v) {
		return
	}
	id, isText := v.(string)
	if !isText {
		c, ok := open(v, r.at("existing_placement"), " with candidate_id", p.found)
		if !ok {
			return
		}
		c.only(append([]string{"use"}, candidateKeys...)...)
		c.need("candidate_id", "the id of the candidate where the demand is now")
		id = c.text("candidate_id")
		if c.has("use") {
			d.present = c.amounts("use")
		}
	}
	if d.existing != "" && d.existing != id {
		p.found.add(r.at("existing_placement"), "%q here and %q in another requirement: accepted is one place", id, d.existing)
	}
	d.existing = id
}

func (p *parser) explicit(q *requirement, r *reader) {
	if !r.has("candidates") {
		return
	}
	q.candidates = []map[string]any{}
	for i, item := range r.list("candidates") {
		c, ok := open(item, fmt.Sprintf("%s[%d]", r.at("candidates"), i), " with candidate_id", p.found)
		if !ok {
			continue
		}
		c.only(candidateKeys...)
		c.need("candidate_id", "an id that is unique in its demand")
		c.number("cost", 0)
		if c.has("inventory_type") {
			c.word("inventory_type", kindsOfThing...)
		}
		q.candidates = append(q.candidates, c.m)
	}
	if len(q.candidates) == 0 && len(r.list("candidates")) == 0 {
		p.found.add(r.at("candidates"), "an empty list: accepted is at least one candidate")
	}
}

// conflictID joins the parts of a conflict identifier for one candidate.
func (q *requirement) conflictID(field func(string) any) string {
	var text strings.Builder
	for _, part := range q.conflict {
		if m, ok := part.(map[string]any); ok {
			name, _ := plain(m["get_candidate_attribute"])
			part = field(name)
		}
		s, _ := plain(part)
		text.WriteString(s + "|")
	}
	return text.String()
}
