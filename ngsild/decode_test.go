package ngsild

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// attributeOf decodes an entity with one attribute and returns it.
func attributeOf(t *testing.T, attribute string) Attribute {
	t.Helper()
	entities, errs := DecodeEntities([]byte(`{"id":"urn:x:1","type":"T","a":` + attribute + `}`))
	if len(errs) > 0 || len(entities) != 1 {
		t.Fatalf("decode %s: %v", attribute, errs)
	}
	a, ok := entities[0].Attrs["a"]
	if !ok {
		t.Fatalf("decode %s: no attribute", attribute)
	}
	return a
}

func TestAttributeForms(t *testing.T) {
	t.Parallel()
	point := map[string]any{"type": "Point", "coordinates": []any{2.5, int64(41)}}
	pair := map[string]any{"key": "TZ", "value": "UTC"}
	for text, want := range map[string]Attribute{
		// normalized
		`{"type":"Property","value":"x"}`:                                           {Kind: Property, Value: "x"},
		`{"value":"x","type":"Property","q":{"type":"Property","value":1}}`:         {Kind: Property, Value: "x"},
		`{"type":"Property","value":7,"observedAt":1795258800,"unitCode":"MB"}`:     {Kind: Property, Value: int64(7)},
		`{"type":"Property","value":{"p":1},"md":{"observedAt":{"value":1}}}`:       {Kind: Property, Value: map[string]any{"p": int64(1)}},
		`{"type":"Property","value":"x","unitCode":{"value":"X"}}`:                  {Kind: Property, Value: "x"},
		`{"type":"Property","value":false,"createdAt":"2026-01-01T00:00:00Z"}`:      {Kind: Property, Value: false},
		`{"type":"Property","value":{"object":{"kind":"K"}}}`:                       {Kind: Property, Value: map[string]any{"object": map[string]any{"kind": "K"}}},
		`{"type":"Property","value":[{"key":"TZ","value":"UTC"}]}`:                  {Kind: Property, Value: []any{pair}},
		`{"type":"Property","value":{"key":"TZ","value":"UTC"}}`:                    {Kind: Property, Value: pair},
		`{"type":"Property","value":[]}`:                                            {Kind: Property, Value: []any{}},
		`{"type":"Property","value":{"app.kubernetes.io/name":"x"}}`:                {Kind: Property, Value: map[string]any{"app.kubernetes.io/name": "x"}},
		`{"type":"Relationship","object":"urn:a"}`:                                  {Kind: Relationship, Value: "urn:a"},
		`{"type":"Relationship","object":["urn:a","urn:b"]}`:                        {Kind: Relationship, Value: []any{"urn:a", "urn:b"}},
		`{"type":"Relationship","object":[]}`:                                       {Kind: Relationship, Value: []any{}},
		`{"type":"Relationship","object":{"id":"urn:a","type":"T"}}`:                {Kind: Relationship, Value: "urn:a"},
		`{"type":"ListRelationship","objectList":[{"object":"urn:a"},"urn:b"]}`:     {Kind: Relationship, Value: []any{"urn:a", "urn:b"}},
		`{"type":"GeoProperty","value":{"type":"Point","coordinates":[2.5,41]}}`:    {Kind: GeoProperty, Value: point},
		`{"type":"LanguageProperty","languageMap":{"en":"x"}}`:                      {Kind: LanguageProperty, Value: map[string]any{"en": "x"}},
		`{"type":"VocabProperty","vocab":"v"}`:                                      {Kind: OtherProperty, Value: "v"},
		`{"type":"JsonProperty","json":{"a":null}}`:                                 {Kind: OtherProperty, Value: map[string]any{"a": nil}},
		`{"type":["Property"],"value":1.5}`:                                         {Kind: Property, Value: 1.5},
		`{"type":"Property","value":{"@type":"DateTime","@value":"2026-01-01"}}`:    {Kind: Property, Value: "2026-01-01"},
		`{"type":"Property","value":"urn:ngsi-ld:null"}`:                            {Kind: Property, Value: "urn:ngsi-ld:null"},
		`{"type":"https://uri.etsi.org/ngsi-ld/Relationship","object":"urn:a"}`:     {Kind: Relationship, Value: "urn:a"},
		`{"type":"Relationship","object":"urn:a","previousObject":"urn:b"}`:         {Kind: Relationship, Value: "urn:a"},
		`{"type":"Property","value":"x","datasetId":"urn:d:1"}`:                     {Kind: Property, Value: "x"},
		`{ "type" : "Property" , "value" : [ 1 , 2.0 , -3 ] , "unitCode" : "MB" } `: {Kind: Property, Value: []any{int64(1), int64(2), int64(-3)}},
		// concise
		`{"value":"x","observedAt":"2026-01-01T00:00:00Z"}`: {Kind: Property, Value: "x"},
		`{"value":5,"accuracy":0.1}`:                        {Kind: Property, Value: int64(5)},
		`{"object":"urn:a"}`:                                {Kind: Relationship, Value: "urn:a"},
		`{"object":["urn:a"],"since":{"value":1}}`:          {Kind: Relationship, Value: []any{"urn:a"}},
		`{"languageMap":{"en":"x"}}`:                        {Kind: LanguageProperty, Value: map[string]any{"en": "x"}},
		`{"type":"Point","coordinates":[2.5,41]}`:           {Value: point},
		// simplified
		`"x"`:                         {Value: "x"},
		`9007199254740993`:            {Value: int64(9007199254740993)},
		`1.5e+30`:                     {Value: 1.5e30},
		`1e3`:                         {Value: int64(1000)},
		`-0.25`:                       {Value: -0.25},
		`18446744073709551616`:        {Value: float64(18446744073709551616)},
		`true`:                        {Value: true},
		`["urn:a","urn:b"]`:           {Value: []any{"urn:a", "urn:b"}},
		`[]`:                          {Value: []any{}},
		`{}`:                          {Value: map[string]any{}},
		`{"k":1}`:                     {Value: map[string]any{"k": int64(1)}},
		`{"key":"TZ","value":"UTC"}`:  {Value: pair}, // a list of one pair, reduced
		`{"value":"UTC","key":"TZ"}`:  {Value: pair},
		`{"key":"TZ"}`:                {Value: map[string]any{"key": "TZ"}},
		`{"phase":"x","object":{}}`:   {Value: map[string]any{"phase": "x", "object": map[string]any{}}},
		`{"type":"Text","value":"x"}`: {Value: map[string]any{"type": "Text", "value": "x"}},
		`[{"key":"TZ","value":"UTC"},{"key":"A"}]`: {Value: []any{pair, map[string]any{"key": "A"}}},
		`[{"a":1}]`:  {Value: []any{map[string]any{"a": int64(1)}}},
		`[[1],[{}]]`: {Value: []any{[]any{int64(1)}, []any{map[string]any{}}}},
		// expanded JSON-LD
		`[{"@value":"x"}]`:                  {Value: "x"},
		`[{"@id":"urn:a"}]`:                 {Value: "urn:a"},
		`[{"@value":1},{"@value":2}]`:       {Value: []any{int64(1), int64(2)}},
		`[{"@list":[{"@value":1}]}]`:        {Value: []any{int64(1)}},
		`{"@value":"x","@type":"DateTime"}`: {Value: "x"},
		`[{"@type":["https://uri.etsi.org/ngsi-ld/Property"],"https://uri.etsi.org/ngsi-ld/hasValue":[{"@value":8}]}]`:                     {Kind: Property, Value: int64(8)},
		`[{"@type":["https://uri.etsi.org/ngsi-ld/Relationship"],"https://uri.etsi.org/ngsi-ld/hasObject":[{"@id":"urn:a"}]}]`:             {Kind: Relationship, Value: "urn:a"},
		`[{"@type":["https://uri.etsi.org/ngsi-ld/Relationship"],"https://uri.etsi.org/ngsi-ld/hasObject":[{"@id":"a:a"},{"@id":"b:b"}]}]`: {Kind: Relationship, Value: []any{"a:a", "b:b"}},
	} {
		if diff := cmp.Diff(want, attributeOf(t, text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestInstances(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Attribute{
		`[{"type":"Property","value":1,"datasetId":"urn:d:1"},{"type":"Property","value":2}]`:                       {Kind: Property, Value: int64(2)},
		`[{"value":1,"datasetId":"urn:d:1"},2]`:                                                                     {Value: int64(2)},
		`[{"type":"Property","value":1,"datasetId":"urn:d:1"},{"type":"Property","value":2,"datasetId":"urn:d:2"}]`: {Kind: Property, Value: int64(1)},
		`[{"type":"Property","value":1,"datasetId":"@none"},{"type":"Property","value":2,"datasetId":"urn:d:2"}]`:   {Kind: Property, Value: int64(1)},
		`[{"type":"Property","value":1},{"type":"Property","value":2}]`:                                             {Kind: Property, Value: int64(1), Malformed: true},
		`[{"type":"Relationship","object":"urn:a"},{"type":"Relationship","object":"urn:b"}]`:                       {Kind: Relationship, Value: []any{"urn:a", "urn:b"}},
		`[{"object":"urn:a"},{"object":["urn:b","urn:c"]}]`:                                                         {Kind: Relationship, Value: []any{"urn:a", "urn:b", "urn:c"}},
		`[{"object":"urn:a","datasetId":"urn:d:1"},{"object":"urn:b","datasetId":"urn:d:2"}]`:                       {Kind: Relationship, Value: []any{"urn:a", "urn:b"}},
		`[{"object":"urn:a","datasetId":"urn:d:1"},{"object":"urn:b"}]`:                                             {Kind: Relationship, Value: "urn:b"},
		`[{"type":"Relationship","object":"urn:a"},{"type":"Relationship","value":"urn:b"}]`:                        {Kind: Relationship, Value: []any{"urn:a", "urn:b"}, Malformed: true},
		`[{"type":"Relationship","object":"urn:a"}]`:                                                                {Kind: Relationship, Value: "urn:a"},
		`[{"value":"x"}]`: {Kind: Property, Value: "x"},
	} {
		if diff := cmp.Diff(want, attributeOf(t, text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestMalformedAttributes(t *testing.T) {
	t.Parallel()
	for text, value := range map[string]any{
		`{"type":"Relationship","value":"urn:a"}`:                                "urn:a",
		`{"type":"Relationship","value":["urn:a","urn:b"]}`:                      []any{"urn:a", "urn:b"},
		`{"type":"Relationship","value":["urn:a"]}`:                              []any{"urn:a"},
		`{"type":"Relationship"}`:                                                nil,
		`{"type":"Relationship","object":5}`:                                     nil,
		`{"type":"Relationship","object":null}`:                                  nil,
		`{"type":"Relationship","object":""}`:                                    nil,
		`{"type":"Relationship","object":["urn:a",5]}`:                           []any{"urn:a"},
		`{"type":"Property"}`:                                                    nil,
		`{"type":"Property","md":{"observedAt":{"value":1}}}`:                    nil,
		`{"type":"Property","object":"urn:a"}`:                                   "urn:a",
		`{"type":"Property","value":null}`:                                       nil,
		`{"type":"Property","value":1,"value":2}`:                                int64(2),
		`{"type":"Relationship","object":"urn:a","value":"urn:b"}`:               "urn:b",
		`{"type":"GeoProperty"}`:                                                 nil,
		`{"md":{"observedAt":{"value":1}}}`:                                      nil,
		`{"observedAt":{"value":1777939200}}`:                                    nil,
		`{"observedAt":1777939200,"unitCode":"MB"}`:                              nil,
		`{"createdAt":"2026-01-01T00:00:00Z"}`:                                   nil,
		`{"type":"Property","value":{"a":1,"a":2}}`:                              map[string]any{"a": int64(2)},
		`{"a":{"b":1,"b":1}}`:                                                    map[string]any{"a": map[string]any{"b": int64(1)}},
		`{"type":"Property","value":{"object":{"kind":"K"},"object.kind":"K2"}}`: map[string]any{"object": map[string]any{"kind": "K"}, "object.kind": "K2"},
		`{"object":{"kind":"K"},"object.kind":"K2"}`:                             map[string]any{"object": map[string]any{"kind": "K"}, "object.kind": "K2"},
		`[{"a":{"b":{}},"a.b.c":1}]`:                                             []any{map[string]any{"a": map[string]any{"b": map[string]any{}}, "a.b.c": int64(1)}},
	} {
		got := attributeOf(t, text)
		if !got.Malformed {
			t.Errorf("%s is not marked malformed", text)
		}
		if diff := cmp.Diff(value, got.Value); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"service": "service",
		"https://uri.etsi.org/ngsi-ld/default-context/service":        "service",
		"https://uri.etsi.org/ngsi-ld/default-context/never-heard-of": "never-heard-of",
		"https://uri.etsi.org/ngsi-ld/location":                       "location",
		"https://smartdatamodels.org/dataModel.IT/containerImage":     "containerImage",
		"https://w3id.org/aerOS/continuum#hostname":                   "hostname",
		"ngsi-ld:default-context/service":                             "service",
		"ngsi-ld:status":                                              "status",
		"https://aeros.example/service":                               "https://aeros.example/service",
		"https://uri.etsi.org/ngsi-ld/default-context/a/b":            "https://uri.etsi.org/ngsi-ld/default-context/a/b",
		"https://uri.etsi.org/ngsi-ld/default-context/":               "https://uri.etsi.org/ngsi-ld/default-context/",
		"https://uri.etsi.org/ngsi-ld/default-context/id":             "https://uri.etsi.org/ngsi-ld/default-context/id",
		"https://smartdatamodels.org/dataModel.IT/type":               "https://smartdatamodels.org/dataModel.IT/type",
		"http://uri.etsi.org/ngsi-ld/default-context/service":         "http://uri.etsi.org/ngsi-ld/default-context/service",
		"Ünïcode": "Ünïcode",
	} {
		if got := shorten(name); got != want {
			t.Errorf("shorten(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestEntityMembers(t *testing.T) {
	t.Parallel()
	const prefix = "https://uri.etsi.org/ngsi-ld/default-context/"
	one := map[string]Attribute{"a": {Value: int64(1)}}
	for text, want := range map[string]Entity{
		`{"id":"urn:x:1","type":"T"}`:                                                                 {ID: "urn:x:1", Type: "T"},
		`{"id":"urn:x:1","type":["` + prefix + `T","U"],"a":1}`:                                       {ID: "urn:x:1", Type: "T", Attrs: one},
		`{"@id":"urn:x:1","@type":["` + prefix + `T"],"` + prefix + `a":1}`:                           {ID: "urn:x:1", Type: "T", Attrs: one},
		`{"@context":["https://nowhere.invalid/c.jsonld",{"a":"b"}],"id":"urn:x:1","type":"T","a":1}`: {ID: "urn:x:1", Type: "T", Attrs: one},
		`{"a":1,"type":"T","createdAt":"2026-01-01T00:00:00Z","modifiedAt":"x","id":"urn:x:1"}`:       {ID: "urn:x:1", Type: "T", Attrs: one},
		`{"id":"urn:x:1","type":"T","https://uri.etsi.org/ngsi-ld/createdAt":[{"@value":"x"}],"a":1}`: {ID: "urn:x:1", Type: "T", Attrs: one},
		`{"id":"urn:x:1","type":"T","deletedAt":"2026-11-21T23:14:38.850Z"}`:                          {ID: "urn:x:1", Type: "T", Deleted: true},
		`{"id":"urn:x:1","type":"T","a":1,"b":null}`:                                                  {ID: "urn:x:1", Type: "T", Attrs: one},
		`{"id":"urn:x:\u0031","type":"\u0054","\u0061":1}`:                                            {ID: "urn:x:1", Type: "T", Attrs: one},
		`{"id":"urn:x:1","type":"T","a":1,"a":1}`:                                                     {ID: "urn:x:1", Type: "T", Attrs: map[string]Attribute{"a": {Value: int64(1), Malformed: true}}},
		`{"id":"urn:x:1","type":"T","a":1,"b":2,"a":"other"}`:                                         {ID: "urn:x:1", Type: "T", Attrs: map[string]Attribute{"a": {Value: "other", Malformed: true}, "b": {Value: int64(2)}}},
		`{"id":"urn:x:1","type":"T","a":1,"` + prefix + `a":1.0}`:                                     {ID: "urn:x:1", Type: "T", Attrs: one},
		`{"id":"urn:x:1","type":"T","` + prefix + `a":2,"a":1}`:                                       {ID: "urn:x:1", Type: "T", Attrs: map[string]Attribute{"a": {Value: int64(1), Malformed: true}}},
		`{"id":"urn:x:1","type":"T","a":1,"` + prefix + `a":2}`:                                       {ID: "urn:x:1", Type: "T", Attrs: map[string]Attribute{"a": {Value: int64(1), Malformed: true}}},
		`{"id":"urn:x:1","type":"T","a":1,"https://aeros.example/a":2}`:                               {ID: "urn:x:1", Type: "T", Attrs: map[string]Attribute{"a": {Value: int64(1)}, "https://aeros.example/a": {Value: int64(2)}}},
		"\xef\xbb\xbf\n{\"id\":\"urn:x:1\",\"type\":\"T\",\"a\":1}\n":                                 {ID: "urn:x:1", Type: "T", Attrs: one},
		`{"id":"urn:x:1","type":"T","a":"quote \" back \\ nl \n é \ud83d\ude00","b":"\\"}`:            {ID: "urn:x:1", Type: "T", Attrs: map[string]Attribute{"a": {Value: "quote \" back \\ nl \n é 😀"}, "b": {Value: `\`}}},
		"{\"id\":\"urn:x:1\",\"type\":\"T\",\"a\":\"bad \xff utf-8\"}":                                {ID: "urn:x:1", Type: "T", Attrs: map[string]Attribute{"a": {Value: "bad \ufffd utf-8"}}},
	} {
		got, errs := DecodeEntities([]byte(text))
		if len(errs) > 0 {
			t.Errorf("%s: %v", text, errs)
		}
		if diff := cmp.Diff([]Entity{want}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2)
	many := "[" + strings.Repeat("0,", maxValues) + "0]"
	var wide strings.Builder
	for i := range maxAttributes + 1 {
		fmt.Fprintf(&wide, `,"a%d":1`, i)
	}
	const good = `{"id":"urn:x:9","type":"T","a":1}`
	for text, want := range map[string]string{
		``:                                    `entities: unexpected end of JSON input`,
		`{`:                                   `entities: unexpected end of JSON input`,
		`{"a":1,}`:                            `entities: invalid character '}' looking for beginning of object key string`,
		`{"a":1} {`:                           `entities: invalid character '{' after top-level value`,
		`"text"`:                              `entities: want an object or a list of objects, have text`,
		`17`:                                  `entities: want an object or a list of objects, have a number`,
		`null`:                                `entities: want an object or a list of objects, have null`,
		`true`:                                `entities: want an object or a list of objects, have a boolean`,
		`[` + good + `,5]`:                    `entity 1: want an object, have a number`,
		`[[],` + good + `]`:                   `entity 0: want an object, have a list`,
		`[{},` + good + `]`:                   `entity 0: no id`,
		`[{"id":5,"type":"T"},` + good + `]`:  `entity 0: no id`,
		`[{"id":"","type":"T"},` + good + `]`: `entity 0: no id`,
		`[{"id":"urn:x:1"},` + good + `]`:     `entity urn:x:1: no type`,
		`[{"id":"urn:x:1","type":[]},` + good + `]`:                       `entity urn:x:1: no type`,
		`[{"id":"urn:x:1","type":7},` + good + `]`:                        `entity urn:x:1: no type`,
		`[{"a":1e999,"id":"urn:x:1","type":"T"},` + good + `]`:            `entity urn:x:1: a number is out of range`,
		`[{"id":"urn:x:1","type":"T","a":` + deep + `},` + good + `]`:     `entity urn:x:1: too many values or nested too deep`,
		`[{"id":"urn:x:1","type":"T","a":` + many + `},` + good + `]`:     `entity urn:x:1: too many values or nested too deep`,
		`[{"id":"urn:x:1","type":"T"` + wide.String() + `},` + good + `]`: `entity urn:x:1: more than 1000 attributes`,
	} {
		entities, errs := DecodeEntities([]byte(text))
		short := text[:min(len(text), 80)]
		if len(errs) != 1 || errs[0].Error() != want {
			t.Errorf("%s: got %v, want %s", short, errs, want)
		}
		survivors := 0
		if strings.Contains(text, good) {
			survivors = 1
		}
		if len(entities) != survivors {
			t.Errorf("%s: %d entities survive, want %d", short, len(entities), survivors)
		}
	}
}

// TestAllowance: entities that are fine one by one may be too many together.
func TestAllowance(t *testing.T) {
	t.Parallel()
	values := "[" + strings.Repeat("0,", maxValues-3) + "0]"
	entity := `{"id":"urn:x:1","type":"T","a":` + values + `}`
	const fit = maxAllValues / (maxValues - 1)
	entities, errs := DecodeEntities([]byte("[" + strings.Repeat(entity+",", fit+1) + entity + "]"))
	if len(entities) != fit || len(errs) != 2 {
		t.Errorf("%d entities, %d errors; want %d and 2", len(entities), len(errs), fit)
	}
}

// TestSharesNoMemory overwrites the input after decoding.
func TestSharesNoMemory(t *testing.T) {
	t.Parallel()
	data := compact(t, "world", "world.normalized.json")
	want, _ := DecodeEntities(data)
	input := append([]byte(nil), data...)
	got, _ := DecodeEntities(input)
	clear(input)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded entities changed with the input:\n%s", diff)
	}
}

func TestEmptyList(t *testing.T) {
	t.Parallel()
	entities, errs := DecodeEntities([]byte(" [ ] "))
	if len(entities) != 0 || len(errs) != 0 {
		t.Errorf("got %v, %v", entities, errs)
	}
}

// TestReadsLikeTheStandardLibrary compares the walk over a value with
// encoding/json, for values that mean the same to both.
func TestReadsLikeTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"world.normalized.json", "world.simplified.json", "enumerations.normalized.json"} {
		text := compact(t, "world", file)
		var want any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		r := valueReader{left: 1 << 30}
		if got := r.read(text); !Equal(got, want) || r.err != nil {
			t.Errorf("%s: read differently: %s", file, cmp.Diff(want, got))
		}
	}
}
