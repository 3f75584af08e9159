package ngsild

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func seeds(f *testing.F, patterns ...string) {
	f.Helper()
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(files) == 0 {
			f.Fatal(pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
}

func FuzzDecodeEntities(f *testing.F) {
	seeds(f, "world/*.json")
	for _, name := range []string{"d09_attribute_name_expansion", "d10_values", "h03_lists_and_404"} {
		for _, e := range captured(f, name) {
			_, body, _ := strings.Cut(e.answer, "\n\n")
			f.Add([]byte(body))
			f.Add([]byte(e.body))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		entities, errs := DecodeEntities(data)
		again, _ := DecodeEntities(data)
		if !reflect.DeepEqual(entities, again) {
			t.Errorf("decoded twice: %v and %v", entities, again)
		}
		if !json.Valid(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))) && (len(entities) > 0 || len(errs) != 1) {
			t.Errorf("no JSON, yet %v, %v", entities, errs)
		}
		check(t, entities, errs)
		compareWithStandard(t, data)
	})
}

func FuzzDecodeNotification(f *testing.F) {
	seeds(f, "notifications/*.json")
	for _, name := range []string{"b01_sub_format_concise", "b01_sub_format_keyValues", "c02_notification_per_operation", "h01_merge_inside_values"} {
		for _, body := range notified(f, name) {
			f.Add([]byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := DecodeNotification(data)
		if err != nil && (len(n.Entities) > 0 || len(n.Errors) > 0) {
			t.Errorf("%v, yet %+v", err, n)
		}
		check(t, n.Entities, n.Errors)
	})
}

// check tests what holds for everything that is decoded.
func check(t *testing.T, entities []Entity, errs []error) {
	for _, e := range entities {
		if e.ID == "" || e.Type == "" {
			t.Errorf("entity without id or type: %+v", e)
		}
		for name, a := range e.Attrs {
			if _, err := json.Marshal(a.Value); err != nil {
				t.Errorf("%s cannot be written: %v", name, err)
			}
			if a.Kind == Relationship && !isTargets(a.Value) {
				t.Errorf("%s is a relationship with %#v", name, a.Value)
			}
			if name == "id" || name == "type" || name == "@context" {
				t.Errorf("%s is an attribute", name)
			}
			_, _, _ = e.Links(name), e.Enum(name), e.Has(name)
			_, _ = e.Bool(name)
		}
	}
	for _, err := range errs {
		if _, ok := err.(EntityError); !ok || err.Error() == "" {
			t.Errorf("%#v is no EntityError", err)
		}
	}
}

func isTargets(value any) bool {
	list, isList := value.([]any)
	if !isList {
		_, isText := value.(string)
		return isText || value == nil
	}
	for _, item := range list {
		if _, isText := item.(string); !isText {
			return false
		}
	}
	return true
}

// compareWithStandard reads data as one value and compares with encoding/json,
// unless it holds something that we read differently on purpose.
func compareWithStandard(t *testing.T, data []byte) {
	text, err := validJSON(data)
	if err != nil || bytes.Contains(text, []byte(`"@`)) || bytes.Contains(text, []byte(`\`)) {
		return
	}
	var want any
	if json.Unmarshal(text, &want) != nil {
		return // a number that is out of range
	}
	r := valueReader{left: maxValues}
	if got := r.read(text); r.err == nil && !approximately(got, want) {
		t.Errorf("read %s\n as %#v\nnot %#v", text, got, want)
	}
}

// approximately compares with a value whose integers went through float64.
func approximately(got, want any) bool {
	switch x := got.(type) {
	case int64:
		return float64(x) == want
	case []any:
		y, ok := want.([]any)
		for i := range x {
			if !ok || len(x) != len(y) || !approximately(x[i], y[i]) {
				return false
			}
		}
		return ok && len(x) == len(y)
	case map[string]any:
		y, ok := want.(map[string]any)
		for key := range x {
			if !ok || !approximately(x[key], y[key]) {
				return false
			}
		}
		return ok && len(x) == len(y)
	default:
		return reflect.DeepEqual(got, want)
	}
}
