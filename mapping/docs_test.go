package mapping_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/hlo-agent/hlo-agent/mapping"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// page is docs/mapping.md: its code blocks by what stands behind the language, and its tables.
type page struct {
	text   string
	blocks map[string]string
	tables [][][]string // the cells of the rows; the first row is the header
}

func readPage(t testing.TB) page {
	t.Helper()
	data, err := os.ReadFile("../docs/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	p := page{text: string(data), blocks: map[string]string{}}
	for _, block := range regexp.MustCompile("(?ms)^```\\w+ (\\S+)\n(.*?)^```$").FindAllStringSubmatch(p.text, -1) {
		p.blocks[block[1]] = block[2]
	}
	inTable := false
	for row := range strings.Lines(p.text) {
		if !strings.HasPrefix(row, "| ") {
			inTable = false
			continue
		}
		if !inTable {
			p.tables, inTable = append(p.tables, nil), true
		}
		if strings.HasPrefix(row, "| ---") {
			continue
		}
		cells := strings.Split(strings.ReplaceAll(strings.Trim(strings.TrimSpace(row), "|"), `\|`, "\x00"), "|")
		for i, cell := range cells {
			cells[i] = strings.ReplaceAll(strings.TrimSpace(cell), "\x00", "|")
		}
		p.tables[len(p.tables)-1] = append(p.tables[len(p.tables)-1], cells)
	}
	return p
}

// under are the rows of all tables whose first column has this heading.
func (p page) under(heading string) [][]string {
	var rows [][]string
	for _, table := range p.tables {
		if table[0][0] == heading {
			rows = append(rows, table[1:]...)
		}
	}
	return rows
}

// worked writes the files of the worked example into a folder and loads its mapping.
func worked(t testing.TB) (p page, dir string, set *mapping.Set) {
	t.Helper()
	p, dir = readPage(t), t.TempDir()
	for name, text := range p.blocks {
		if !strings.Contains(name, "/") {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := mapping.ReadPaths(filepath.Join(dir, "mappings"))
	if err != nil {
		t.Fatal(err)
	}
	return p, dir, load(t, sources...)
}

func TestWorkedExample(t *testing.T) {
	t.Parallel()
	p, dir, set := worked(t)
	entity := p.blocks["cases/north/entity.jsonld"]
	wide := strings.Replace(entity, `"opening": "0.25"`, `"opening": 3`, 1)
	if err := os.WriteFile(filepath.Join(dir, "cases/too-wide/entity.jsonld"), []byte(wide), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"north", "too-wide"} {
		c, err := mapping.RunTestCase(filepath.Join(dir, "cases", name), set)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.Want, c.Got); c.Want == "" || diff != "" {
			t.Errorf("%s (-the page +got):\n%s", name, diff)
		}
	}
	wrong := strings.Replace(p.blocks["mappings/greenhouse.yaml"], "number(component.opening)", "number(component.openning)", 1)
	problems := mapping.Lint(mapping.Source{Name: "mappings/greenhouse.yaml", Data: []byte(wrong)})
	if diff := cmp.Diff(p.blocks["lint"], problems.Error()+"\n"); diff != "" {
		t.Errorf("lint (-the page +got):\n%s", diff)
	}
}

func TestWorkedStatus(t *testing.T) {
	t.Parallel()
	p, dir, set := worked(t)
	r, err := set.Render(inputOf(decode(t, filepath.Join(dir, "cases/north/entity.jsonld"))), "default")
	if err != nil {
		t.Fatal(err)
	}
	rows := p.under("status of the object")
	if len(rows) != 4 {
		t.Fatalf("%d states", len(rows))
	}
	for _, row := range rows {
		o := r.Objects[0].DeepCopy()
		if code := strings.Trim(row[0], "`"); code != "(none)" {
			o = parsed(t, text(t, o)+"status: "+code+"\n")
		}
		state := set.Observe(o)
		got := []string{row[0], "`" + string(state.Phase) + "`", "`" + state.Reason + "`", state.Message}
		if diff := cmp.Diff(row, got); diff != "" {
			t.Errorf("-the page +got:\n%s", diff)
		}
		position := set.Properties(o)["ventPosition"]
		if has := position != nil; has != strings.Contains(row[0], "position") {
			t.Errorf("%s: ventPosition %v", row[0], position)
		}
	}
}

func text(t testing.TB, o *unstructured.Unstructured) string {
	t.Helper()
	data, err := yaml.Marshal(o.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWorkedPolicy(t *testing.T) {
	t.Parallel()
	p, dir, set := worked(t)
	r, err := set.Render(inputOf(decode(t, filepath.Join(dir, "cases/north/entity.jsonld"))), "default")
	if err != nil {
		t.Fatal(err)
	}
	ours := policy(t, p.blocks["policies/greenhouse.yaml"]).For(set, "default")
	if err := ours.Check(r.Objects); err != nil {
		t.Error(err)
	}
	if err := mapping.DefaultPolicy().For(set, "default").Check(r.Objects); err == nil {
		t.Error("the kind is allowed without a policy of its own")
	}
	if err := unstructured.SetNestedField(r.Objects[0].Object, int64(90), "spec", "percent"); err != nil {
		t.Fatal(err)
	}
	if err := ours.Check(r.Objects); !strings.Contains(errText(err), "a vent may be opened by 80 % at most") {
		t.Errorf("got %v", err)
	}
}

// TestExpressionsOfThePage computes every row of the tables of expressions.
func TestExpressionsOfThePage(t *testing.T) {
	t.Parallel()
	p := readPage(t)
	entities, problems := ngsild.DecodeEntities([]byte(p.blocks["expressions"]))
	if len(problems) > 0 {
		t.Fatal(errors.Join(problems...))
	}
	in := inputOf(entities)
	rows := p.under("expression")
	if len(rows) < 50 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		source, want := strings.Trim(row[0], "`"), strings.Trim(row[1], "`")
		set := load(t, like("m", "attributes: {component: [share, memory, blank, tags, tag, limits, gpu, replicas]}",
			"data:\n  kept: 1\n  value: '${"+strings.ReplaceAll(source, "'", "''")+"}'"))
		r, err := set.Render(in, "default")
		got := "refused"
		if err == nil {
			got = "absent"
			if value, has, _ := unstructured.NestedFieldNoCopy(r.Objects[0].Object, "data", "value"); has {
				got = oneLineJSON(t, value)
			}
		}
		if want != "absent" && want != "refused" {
			var value any
			if err := json.Unmarshal([]byte(want), &value); err != nil {
				t.Fatalf("%s: %v in %s", source, err, want)
			}
			want = oneLineJSON(t, value)
		}
		if got != want {
			t.Errorf("%s: got %s, the page says %s (%v)", source, got, want, err)
		}
	}
}

func oneLineJSON(t testing.TB, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPageNamesWhatShips(t *testing.T) {
	t.Parallel()
	var got []string
	for _, row := range readPage(t).under("mapping") {
		got = append(got, strings.Trim(row[0], "`")+": "+row[1])
	}
	var want []string
	for _, m := range allShipped(t).Mappings() {
		want = append(want, m.Name+": "+strings.Join(m.Kinds, ", "))
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-shipped +the page:\n%s", diff)
	}
}

// TestPageIsComplete: every key of the format, every reason and every function has its place on the page.
func TestPageIsComplete(t *testing.T) {
	t.Parallel()
	p := readPage(t)
	var schema any
	if err := json.Unmarshal(mapping.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	words := keysOf(schema)
	for _, file := range []struct{ name, pattern string }{
		{"errors.go", `Reason\w+ += "(\w+)"`},
		{"reader.go", `\{name: "(\w+)"`},
		{"function.go", `cel\.Function\("(\w+)"`},
		{"policycompile.go", `join\(path, "(\w+)"\)`},
	} {
		data, err := os.ReadFile(file.name)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(file.pattern).FindAllStringSubmatch(string(data), -1)
		if len(found) < 4 {
			t.Errorf("%s: only %d found", file.name, len(found))
		}
		for _, word := range found {
			words = append(words, word[1])
		}
	}
	for _, word := range words {
		if !regexp.MustCompile("`[^`\n]*\\b" + word + "\\b[^`\n]*`").MatchString(p.text) {
			t.Errorf("the page does not speak of %s", word)
		}
	}
}

// keysOf are the names of all properties in a JSON Schema.
func keysOf(schema any) []string {
	var keys []string
	switch v := schema.(type) {
	case map[string]any:
		for name, value := range v {
			if properties, isMap := value.(map[string]any); isMap && name == "properties" {
				for key := range properties {
					keys = append(keys, key)
				}
			}
			keys = append(keys, keysOf(value)...)
		}
	case []any:
		for _, item := range v {
			keys = append(keys, keysOf(item)...)
		}
	}
	return keys
}
