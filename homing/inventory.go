package homing

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Inventory is what there is to choose from, and what outside systems said of it.
// A nil map of answers means that nobody was asked. It must not be changed while
// a Solve uses it; several may at once.
type Inventory struct {
	// Hosts and CLLIs find locations by host name and by site code.
	Hosts, CLLIs map[string]Place
	// Groups are the pairs of candidate ids that belong together.
	Groups [][2]string
	// NetworkRoles are the ids of the candidates that play each role.
	NetworkRoles map[string][]string
	// VIMCapacity is the free capacity by vim-id, ServiceCapacity by candidate id.
	VIMCapacity, ServiceCapacity map[string]map[string]float64
	// Licenses are the candidate ids by licence id and key group.
	Licenses map[string]map[string][]string
	// Network are the known links.
	Network []Link
	// CapacityInUse are amounts promised to others and not yet seen in the
	// candidates' own figures, by candidate id and resource.
	CapacityInUse map[string]map[string]float64

	candidates []*Candidate // by type, then id
}

// Link is a network connection between two location ids, or a location's name.
type Link struct {
	From, To  string
	Bandwidth *float64 // Mbps
	Latency   *float64 // ms
	Distance  *float64 // km along the path
	OneWay    bool     // from From to To only
}

// Candidate is one thing a demand may be placed on.
type Candidate struct {
	// ID is unique among the candidates of its type.
	ID string
	// Kind is the inventory_type, Provider the inventory_provider; a candidate
	// without a provider is offered by all of them.
	Kind, Provider string
	// Fields are all that is known of it, by the names of the language.
	Fields map[string]any

	matched   map[string]any    // what filtering_attributes see beside the fields
	open      bool              // filtering_attributes see the fields too
	zones     map[string]string // by category, where they are not plain fields
	equipment []flavor
	related   map[string]map[string]any // fields of linked entities, for "link.field"
	area      []polygon                 // where it covers more than a point
	unready   bool                      // its status is another than Ready
	stale     bool                      // its figures are too old
}

func (c *Candidate) flavors() []flavor { return c.equipment }

// offers reports whether a provider offers the candidate.
func (c *Candidate) offers(provider string) bool {
	return provider == "" || c.Provider == "" || c.Provider == provider ||
		c.open && (provider == "aerios" || provider == "ngsi-ld")
}

// inventoryFile is the offline format.
type inventoryFile struct {
	Candidates      []map[string]any               `json:"candidates"`
	Hosts           map[string]Place               `json:"hosts"`
	CLLIs           map[string]Place               `json:"cllis"`
	Groups          [][]string                     `json:"inventory_groups"`
	NetworkRoles    map[string][]string            `json:"network_roles"`
	VIMCapacity     map[string]map[string]any      `json:"vim_capacity"`
	ServiceCapacity map[string]map[string]any      `json:"service_capacity"`
	Licenses        map[string]map[string][]string `json:"licenses"`
	Network         []linkFile                     `json:"network"`
	CapacityInUse   map[string]map[string]any      `json:"capacity_in_use"`
}

type linkFile struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Bandwidth any    `json:"bandwidth"`
	Latency   any    `json:"latency"`
	Distance  any    `json:"distance"`
	OneWay    bool   `json:"one_way"`
}

var inventoryKeys = []string{
	"candidates", "hosts", "cllis", "inventory_groups", "network_roles", "vim_capacity", "service_capacity", "licenses", "network", "capacity_in_use",
}

// ParseInventory reads an inventory in JSON: the offline format, an object with
// candidates and answers, or an array of NGSI-LD entities (see FromEntities).
// Everything wrong is returned at once; the inventory is nil then.
func ParseInventory(data []byte) (*Inventory, []*PathError) {
	found := &findings{}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		var list []json.RawMessage
		if json.Unmarshal(data, &list) == nil {
			return parseEntities(data)
		}
		found.add("", "not an inventory: %v: accepted is an object with candidates, or an array of NGSI-LD entities", err)
		return nil, found.list
	}
	if keys["candidates"] == nil && keys["id"] != nil && keys["type"] != nil {
		return parseEntities(data)
	}
	for _, key := range sortedKeys(keys) {
		if !slices.Contains(inventoryKeys, key) {
			found.add(key, "unknown key: accepted is %s", oneOf(inventoryKeys))
		}
	}
	var file inventoryFile
	if err := json.Unmarshal(data, &file); err != nil {
		found.add("", "not in the offline format: %v", err)
		return nil, found.sorted()
	}
	inv := file.inventory(found)
	if len(found.list) > 0 {
		return nil, found.sorted()
	}
	return inv, nil
}

func (file *inventoryFile) inventory(found *findings) *Inventory {
	inv := &Inventory{
		Hosts: file.Hosts, CLLIs: file.CLLIs, NetworkRoles: file.NetworkRoles, Licenses: file.Licenses,
		VIMCapacity:     amountTable("vim_capacity", file.VIMCapacity, found),
		ServiceCapacity: amountTable("service_capacity", file.ServiceCapacity, found),
		CapacityInUse:   amountTable("capacity_in_use", file.CapacityInUse, found),
	}
	for i, m := range file.Candidates {
		if c := newCandidate(m, fmt.Sprintf("candidates[%d]", i), found); c != nil {
			inv.candidates = append(inv.candidates, c)
		}
	}
	for i, pair := range file.Groups {
		if len(pair) != 2 {
			found.add(fmt.Sprintf("inventory_groups[%d]", i), "%d ids: accepted is a pair", len(pair))
			continue
		}
		inv.Groups = append(inv.Groups, [2]string{pair[0], pair[1]})
	}
	for i, l := range file.Network {
		path := fmt.Sprintf("network[%d]", i)
		if l.From == "" || l.To == "" {
			found.add(path, "from or to is missing: accepted are location ids or names of locations")
		}
		inv.Network = append(inv.Network, Link{
			From: l.From, To: l.To, OneWay: l.OneWay, Bandwidth: figure(l.Bandwidth, path+".bandwidth", found),
			Latency: figure(l.Latency, path+".latency", found), Distance: figure(l.Distance, path+".distance", found),
		})
	}
	inv.sort(found)
	return inv
}

func figure(v any, path string, found *findings) *float64 {
	if v == nil {
		return nil
	}
	n, ok := number(v)
	if !ok {
		found.add(path, "%s: accepted is a number", kindOf(v))
	}
	return &n
}

func amountTable(path string, table map[string]map[string]any, found *findings) map[string]map[string]float64 {
	if table == nil {
		return nil
	}
	amounts := make(map[string]map[string]float64, len(table))
	for _, id := range sortedKeys(table) {
		amounts[id] = map[string]float64{}
		for _, name := range sortedKeys(table[id]) {
			n, ok := number(table[id][name])
			if !ok {
				found.add(path+"."+id+"."+name, "%s: accepted is a number", kindOf(table[id][name]))
			}
			amounts[id][name] = n
		}
	}
	return amounts
}

// newCandidate takes inventory_attributes out of m; the rest are the fields.
func newCandidate(m map[string]any, path string, found *findings) *Candidate {
	c := &Candidate{Fields: make(map[string]any, len(m))}
	c.ID, _ = plain(m["candidate_id"])
	c.Kind, _ = plain(m["inventory_type"])
	if c.Kind == "" {
		c.Kind, _ = plain(m["candidate_type"])
	}
	c.Provider, _ = plain(m["inventory_provider"])
	if c.ID == "" {
		found.add(join(path, "candidate_id"), "required, and missing: accepted is an id that is unique in its type")
	}
	if c.Kind == "" {
		found.add(join(path, "inventory_type"), "required, and missing: accepted is %s", oneOf(kindsOfThing))
	}
	for key, v := range m {
		if key == "inventory_attributes" {
			c.matched, _ = v.(map[string]any)
		} else {
			c.Fields[key] = v
		}
	}
	if v, ok := m["cost"]; ok {
		if _, isNumber := number(v); !isNumber {
			found.add(join(path, "cost"), "%s: accepted is a number", kindOf(v))
		}
	}
	c.equipment = parseFlavors(m["flavors"])
	if found.list != nil && (c.ID == "" || c.Kind == "") {
		return nil
	}
	return c
}

// sort orders the candidates and reports those that occur twice.
func (inv *Inventory) sort(found *findings) {
	slices.SortStableFunc(inv.candidates, byKindAndID)
	for i := 1; i < len(inv.candidates); i++ {
		if c := inv.candidates[i]; byKindAndID(c, inv.candidates[i-1]) == 0 {
			found.add("candidates", "candidate %q of type %s occurs twice: accepted is each once", c.ID, c.Kind)
		}
	}
}
