package homing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sound is a template without faults; tests replace parts of it.
const sound = `
homing_template_version: 2018-02-01
parameters: {lat: 45.0, deep: {list: [1, {get_param: lat}]}}
locations: {plant: {latitude: {get_param: lat}, longitude: 10}}
demands:
  a: [{inventory_provider: aai, inventory_type: cloud}]
  b: [{inventory_provider: aai, inventory_type: cloud}]
constraints:
  c: {type: zone, demands: [a, b], properties: {qualifier: different, category: region}}
optimization: {minimize: {sum: [{distance_between: [plant, a]}]}}
`

func TestParseSound(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][2]string{
		"as it is":            {"", ""},
		"quoted version":      {"2018-02-01", `"2018-02-01"`},
		"oldest version":      {"2018-02-01", "2016-11-01"},
		"a date with time":    {"2018-02-01", "2018-02-01T00:00:00Z"},
		"null section":        {"constraints:\n  c: {type: zone, demands: [a, b], properties: {qualifier: different, category: region}}", "constraints:"},
		"transaction id":      {"parameters:", "transaction-id: 7\nparameters:"},
		"walk a parameter":    {"longitude: 10", "longitude: {get_param: [deep, list, 0]}"},
		"walk and scan":       {"longitude: 10", "longitude: {get_param: [deep, list, 1]}"},
		"parameter as weight": {"[{distance_between: [plant, a]}]", "[{product: [{get_param: lat}, {distance_between: [a, plant]}]}]"},
		"demand to demand":    {"[plant, a]", "[b, a]"},
		"zero coordinates":    {"longitude: 10", "longitude: 0"},
		"old attributes key":  {"inventory_type: cloud}]\n  b", "inventory_type: cloud, attributes: {x: 1}}]\n  b"},
		"one demand as text":  {"demands: [a, b], properties: {qualifier: different, category: region}", "demands: a, properties: {qualifier: same, category: time_zone}"},
	} {
		template, errs := Parse([]byte(strings.Replace(sound, change[0], change[1], 1)), nil, nil)
		if errs != nil || template == nil {
			t.Errorf("%s: %v", name, errs)
		}
	}
}

// TestParseFaults takes one sound template and breaks it in one place each time.
func TestParseFaults(t *testing.T) {
	t.Parallel()
	zone := "{type: zone, demands: [a, b], properties: {qualifier: different, category: region}}"
	first := "[{inventory_provider: aai, inventory_type: cloud}]"
	tests := map[string]struct{ old, new, want string }{
		"version":              {"2018-02-01", "2015-01-01", `homing_template_version: the text "2015-01-01" is not supported: must be one of 2016-11-01, 2017-10-10, 2018-02-01, 2020-08-13`},
		"duplicate key":        {"parameters:", "parameters: {}\nparameters:", `parameters: the key "parameters" occurs twice, in line 3 and in line 4: accepted is each key once`},
		"section is a list":    {"locations: {plant: {latitude: {get_param: lat}, longitude: 10}}", "locations: [plant]", "locations: a list of 1: accepted is a mapping of name to location"},
		"undefined parameter":  {"get_param: lat}, longitude", "get_param: lot}, longitude", `locations.plant.latitude.get_param: parameter "lot" is not defined: accepted is one of deep, lat`},
		"parameter not text":   {"{get_param: lat}, longitude", "{get_param: {x: 1}}, longitude", "locations.plant.latitude.get_param: a mapping names no parameter: accepted is a name, or a list of a name and the keys or places to walk"},
		"parameter walk":       {"longitude: 10", "longitude: {get_param: [deep, list, 5]}", `locations.plant.longitude.get_param: parameter "deep" has no 5`},
		"missing file":         {"longitude: 10", "longitude: {get_file: x}", `locations.plant.longitude.get_file: file "x" was not given: accepted is none, since there are none`},
		"parameter circle":     {"lat: 45.0", "lat: {get_param: lat}", "circle"},
		"location key":         {"longitude: 10", "longitude: 10, zip: 1", "locations.plant.zip: unknown key: accepted is one of latitude, longitude, host_name, clli_code"},
		"location range":       {"longitude: 10", "longitude: 210", "locations.plant.longitude: the number 210: accepted is decimal degrees from -180 to 180"},
		"location of both":     {"longitude: 10", "longitude: 10, host_name: h", "locations.plant: has coordinates and a name to look up: accepted is latitude with longitude, or host_name, clli_code or both"},
		"location of nothing":  {"{latitude: {get_param: lat}, longitude: 10}", "{}", "locations.plant: says nothing: accepted is latitude with longitude, or host_name, clli_code or both"},
		"short clli":           {"{latitude: {get_param: lat}, longitude: 10}", "{clli_code: ABC}", `locations.plant.clli_code: the text "ABC": accepted is a code of 8 characters`},
		"demand not a list":    {first, "{inventory_provider: aai}", "demands.a: a mapping: accepted is a list of at least one requirement"},
		"demand key":           {"inventory_type: cloud}]\n  b", "inventory_type: cloud, color: red}]\n  b", "demands.a[0].color: unknown key: accepted is one of inventory_provider, "},
		"provider":             {"inventory_provider: aai, inventory_type: cloud}]\n  b", "inventory_provider: moon, inventory_type: cloud}]\n  b", `demands.a[0].inventory_provider: the text "moon": accepted is one of aai, generator, sdc, aerios, ngsi-ld`},
		"no inventory type":    {"aai, inventory_type: cloud}]\n  b", "aai}]\n  b", "demands.a[0].inventory_type: required, and missing or empty: accepted is one of cloud, service"},
		"service and customer": {"inventory_type: cloud}]\n  b", "inventory_type: service, filtering_attributes: {x: 1}}]\n  b", "demands.a[0].filtering_attributes: names no customer: accepted for service is a mapping with customer-id or global-customer-id"},
		"required, excluded":   {"inventory_type: cloud}]\n  b", "inventory_type: cloud, required_candidates: [{candidate_id: [x]}], excluded_candidates: x}]\n  b", `demands.a[0]: candidate "x" is both required and excluded: accepted is one of the two`},
		"unique":               {"inventory_type: cloud}]\n  b", "inventory_type: cloud, unique: maybe}]\n  b", `demands.a[0].unique: the text "maybe": accepted is "true" or "false"`},
		"filter operator":      {"inventory_type: cloud}]\n  b", "inventory_type: cloud, filtering_attributes: {x: {some: [1]}}}]\n  b", "demands.a[0].filtering_attributes.x.some: unknown key: accepted is one of any, not"},
		"explicit candidate":   {"inventory_type: cloud}]\n  b", "inventory_type: cloud, candidates: [{candidate_id: x, size: 1}]}]\n  b", "demands.a[0].candidates[0].size: unknown key: accepted is one of candidate_id, cost, inventory_type, location_id, location_type"},
		"constraint key":       {"type: zone,", "type: zone, weight: 1,", "constraints.c.weight: unknown key: accepted is one of type, demands, properties, penalty"},
		"constraint type":      {"type: zone", "type: aic_attribute", `constraints.c.type: the text "aic_attribute": accepted is one of attribute, capacity, distance_between_demands`},
		"constraint untyped":   {"type: zone, ", "", "constraints.c.type: required, and missing or empty: accepted is one of attribute"},
		"undeclared demand":    {"[a, b], properties", "[a, x], properties", `constraints.c.demands: demand "x" is not declared: accepted is one of a, b`},
		"no demand":            {"[a, b], properties", "[], properties", "constraints.c.demands: required, and missing or empty: accepted is the name of a demand or a list of names: one of a, b"},
		"demand twice":         {"[a, b], properties", "[a, a], properties", `constraints.c.demands: demand "a" is named twice: accepted is each once`},
		"unknown property":     {"category: region}", "category: region, size: 1}", "constraints.c.properties.size: unknown key: accepted is one of qualifier, category, location"},
		"missing property":     {", category: region}", "}", "constraints.c.properties.category: required, and missing or empty: accepted is one of complex"},
		"vocabulary":           {"qualifier: different", "qualifier: other", `constraints.c.properties.qualifier: the text "other": accepted is one of same, different`},
		"penalty":              {"type: zone,", "type: zone, penalty: 0,", "constraints.c.penalty: the number 0: accepted is a number above 0"},
		"one for a distance":   {zone, "{type: distance_between_demands, demands: a, properties: {distance: < 5}}", "constraints.c.demands: 1 demands: accepted for distance_between_demands is two or more"},
		"group with property":  {zone, "{type: inventory_group, demands: [a, b], properties: {x: 1}}", "constraints.c.properties: inventory_group takes no properties: accepted is none"},
		"unit of time":         {zone, "{type: distance_to_location, demands: a, properties: {distance: < 5 ms, location: plant}}", `constraints.c.properties.distance: the text "< 5 ms": accepted is [= < > <= >=] value [unit], or low-high [unit], with unit km or mi (default km)`},
		"undeclared location":  {zone, "{type: distance_to_location, demands: a, properties: {distance: 5, location: moon}}", `constraints.c.properties.location: location "moon" is not declared: accepted is plant`},
		"threshold operator":   {zone, "{type: threshold, demands: a, properties: {evaluate: [{attribute: x, operator: near, threshold: 1}]}}", `constraints.c.properties.evaluate[0].operator: the text "near": accepted is one of gte, lte, gt, lt, eq`},
		"threshold number":     {zone, "{type: threshold, demands: a, properties: {evaluate: [{attribute: x, operator: lt, threshold: big}]}}", `constraints.c.properties.evaluate[0].threshold: the text "big": accepted is a number for lt`},
		"attribute operator":   {zone, "{type: attribute, demands: a, properties: {evaluate: {x: {like: 1}}}}", "constraints.c.properties.evaluate.x.like: unknown key: accepted is one of eq, ne, lt, gt, lte, gte, any, all, regex"},
		"cloud-region lists":   {zone, "{type: attribute, demands: a, properties: {evaluate: {cloud-region: {cloud-requests: [x], service-requests: []}}}}", "constraints.c.properties.evaluate.cloud-region.vfmodule-requests: required, and missing: accepted is a list of region ids"},
		"regex":                {zone, "{type: attribute, demands: a, properties: {evaluate: {x: {regex: '['}}}}", `constraints.c.properties.evaluate.x.regex: the text "[": accepted is a regular expression (RE2), with or without slashes around it`},
		"hpa score":            {zone, hpaWith("mandatory: 'False'"), "constraints.c.properties.evaluate[0].flavorProperties[0].score: required, and missing or empty: accepted is a whole number, since the feature is not mandatory"},
		"hpa key":              {zone, hpaWith("mandatory: true, color: red"), "constraints.c.properties.evaluate[0].flavorProperties[0].color: unknown key: accepted is one of hpa-feature, hpa-version, architecture, mandatory, directives, hpa-feature-attributes, score"},
		"hpa operator":         {zone, strings.Replace(hpaWith("mandatory: true"), `'='`, "'=='", 1), `constraints.c.properties.evaluate[0].flavorProperties[0].hpa-feature-attributes[0].operator: the text "==": accepted is one of =, <, >, <=, >=, ALL`},
		"network asks nothing": {zone, "{type: network_to_location, demands: a, properties: {location: plant}}", "constraints.c.properties: asks nothing: accepted is at least one of bandwidth, distance, latency"},
		"area":                 {zone, "{type: within_area, demands: a, properties: {area: {type: Circle}}}", "constraints.c.properties.area: a mapping: accepted is GeoJSON of type Polygon or MultiPolygon, coordinates as [longitude, latitude], each ring of four points or more"},
		"capacity limit":       {zone, "{type: capacity, demands: a, properties: {request: {gpu: 1}, limits: {cpu: freeCpu}}}", "constraints.c.properties.request.gpu: no limit is named for this resource: accepted is cpu"},
		"capacity of each":     {zone, "{type: capacity, demands: [a, b], properties: {request: {a: {cpu: 1}}, limits: {cpu: freeCpu}}}", "constraints.c.properties.request.b: required, and missing or empty: accepted is a mapping of resource to amount"},
		"utilisation":          {zone, "{type: capacity, demands: a, properties: {request: {cpu: 1}, limits: {cpu: freeCpu}, max_utilisation: {cpu: 1.5}}}", "constraints.c.properties.max_utilisation.cpu: the number 1.5: accepted is a share above 0 and up to 1"},
		"max per zone":         {zone, "{type: max_per_zone, demands: a, properties: {category: region, max: 0}}", "constraints.c.properties.max: the number 0: accepted is a whole number, at least 1"},
		"zone location":        {"category: region}", "category: region, location: plant}", "constraints.c.properties.location: a location has no region: accepted is a location with category country only"},
		"goal":                 {"minimize", "maximize", "optimization.maximize: unknown key: accepted is minimize"},
		"operator":             {"{sum: [{distance", "{min: [{distance", "optimization.minimize.sum: required, and missing or empty: accepted is a list of terms, the only operator of this version"},
		"ends":                 {"[plant, a]}", "[plant, plant]}", "optimization.minimize.sum[0].distance_between: not two ends: accepted is a declared location and a declared demand in either order, or two demands"},
		"product of numbers":   {"{distance_between: [plant, a]}", "{product: [1, 2]}", "optimization.minimize.sum[0].product: a product without a function: accepted is a list of numbers and a function or sum"},
		"function":             {"{distance_between: [plant, a]}", "{min_ratio: [a]}", "optimization.minimize.sum[0].min_ratio: unknown function: accepted is one of product, sum, distance_between, latency_between, hpa_score, aic_version"},
		"score without hpa":    {"{distance_between: [plant, a]}", "{hpa_score: [a]}", "optimization.minimize.sum[0].hpa_score: none of the demands has an hpa constraint: accepted is at least one that has"},
		"new form, old":        {"{minimize: {sum: [{distance_between: [plant, a]}]}}", "{goal: minimize, operation_function: {}}", "optimization: this form belongs to version 2020-08-13: accepted for 2018-02-01 is {minimize: {sum: [term, …]}}"},
		"old form, new":        {"2018-02-01", "2020-08-13", "optimization.minimize: this form belongs to older versions: accepted for 2020-08-13 is goal and operation_function"},
		"reservation":          {"optimization:", "reservations: {r: {type: instance_reservation, demands: x, properties: {controller: SDN-C}}}\noptimization:", `reservations.r.demands: demand "x" is not declared: accepted is one of a, b`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(sound, test.old, test.new, 1)
			if text == sound {
				t.Fatalf("%q does not occur", test.old)
			}
			template, errs := Parse([]byte(text), nil, nil)
			if template != nil || len(errs) == 0 {
				t.Fatalf("accepted:\n%s", text)
			}
			for _, err := range errs {
				if strings.Contains(err.Error(), test.want) {
					return
				}
			}
			t.Errorf("got %v\nwant %s", errs, test.want)
		})
	}
}

func hpaWith(keys string) string {
	return `{type: hpa, demands: [a], properties: {evaluate: [{id: v, type: vnfc, directives: [{type: flavor_directives, attributes: []}], flavorProperties: [` +
		`{hpa-feature: f, hpa-version: v1, architecture: generic, directives: [], ` + keys + `, hpa-feature-attributes: [{hpa-attribute-key: k, hpa-attribute-value: 1, operator: '='}]}]}]}}`
}

// TestParseAllAtOnce wants every fault of a template, each with its path.
func TestParseAllAtOnce(t *testing.T) {
	t.Parallel()
	_, errs := Parse([]byte(`
homing_template_version: 2020-08-13
locations: {x: {latitude: north, longitude: 1}}
demands: {a: [{inventory_type: moon, unique: 3}], b: []}
constraints:
  one: {type: what, demands: c}
  two: {type: zone, demands: [a], properties: {qualifier: other, category: planet, more: 1}}
optimization:
  goal: improve
  operation_function:
    operator: avg
    operands:
    - {function: attribute, params: {demand: z}}
    - {function: magic, params: {}}
    - {function: cost, params: {demand: a}, normalization: {start: 1, end: 1}, weight: heavy}
`), nil, nil)
	var paths []string
	for _, err := range errs {
		paths = append(paths, err.Path)
	}
	want := []string{
		"constraints.one.demands", "constraints.one.type", "constraints.two.properties.category", "constraints.two.properties.more",
		"constraints.two.properties.qualifier", "demands.a[0].inventory_provider", "demands.a[0].inventory_type", "demands.a[0].unique", "demands.b",
		"locations.x.latitude", "optimization.goal", "optimization.operation_function.operands[0].params.attribute",
		"optimization.operation_function.operands[0].params.demand", "optimization.operation_function.operands[1].function",
		"optimization.operation_function.operands[1].params", "optimization.operation_function.operands[2].normalization",
		"optimization.operation_function.operands[2].weight", "optimization.operation_function.operator",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("%s\n%v", diff, errs)
	}
}

// TestParseNoTemplate feeds what is no template at all.
func TestParseNoTemplate(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n" +
		"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]"
	for name, text := range map[string]string{
		"empty": "", "text": "hello", "list": "[1, 2]", "not YAML": "{a: [", "two documents": sound + "\n---\na: 1", "too large": bomb, "nothing in it": "{}",
	} {
		if template, errs := Parse([]byte(text), nil, nil); template != nil || len(errs) == 0 {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	template, errs := Parse([]byte(sound+"extra: 1\n"), nil, map[string]any{"lat": 46.0, "request_type": "speed changed"})
	if errs != nil {
		t.Fatal(errs)
	}
	if len(template.Warnings) != 1 || template.Warnings[0].Path != "extra" {
		t.Errorf("got %v", template.Warnings)
	}
	if got := template.locations["plant"].place.Latitude; got != 46 || !template.Rehome() {
		t.Errorf("latitude %v, rehome %v: the parameters given do not override", got, template.Rehome())
	}
}

// TestParametersWithoutEnd: parameters that multiply each other are stopped, not
// filled in.
func TestParametersWithoutEnd(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("homing_template_version: 2018-02-01\nparameters:\n  p19: x\n")
	for i := range 19 {
		fmt.Fprintf(&b, "  p%d: [%s]\n", i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("{get_param: p%d}, ", i+1), 10), ", "))
	}
	b.WriteString("demands: {a: [{inventory_provider: aai, inventory_type: cloud, service_type: {get_param: p0}}]}\n")
	_, errs := Parse([]byte(b.String()), nil, nil)
	const want = "too large once its parameters are filled in: accepted are 1000000 values"
	if !slices.ContainsFunc(errs, func(e *PathError) bool { return e.Message == want }) {
		t.Errorf("%d errors, none of which is %q", len(errs), want)
	}
}
