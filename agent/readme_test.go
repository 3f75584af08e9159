package agent

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "rewrite the README's tables")

// TestReadmeTables compares the README's tables with the code.
func TestReadmeTables(t *testing.T) {
	const path = "../README.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	for name, want := range map[string]string{"settings": settingsTable(), "metrics": metricsTable(t), "reasons": reasonsTable(t)} {
		begin, end := "<!-- "+name+" -->\n", "<!-- end -->"
		before, rest, ok := strings.Cut(readme, begin)
		got, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("README has no table %q", name)
		}
		if *update {
			readme = before + begin + want + end + after
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the README's table of %s differs from the code (go test ./agent -run Readme -update): %s", name, diff)
		}
	}
	if *update {
		if err := os.WriteFile(path, []byte(readme), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func settingsTable() string {
	var b strings.Builder
	b.WriteString("| setting | default | meaning |\n| --- | --- | --- |\n")
	typ := reflect.TypeFor[Config]()
	for i := range typ.NumField() {
		tag := typ.Field(i).Tag
		name, rest, _ := strings.Cut(tag.Get("env"), ",")
		def, ok := strings.CutPrefix(rest, "default=")
		if ok {
			def = "`" + def + "`"
		} else {
			def = ""
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, def, tag.Get("help"))
	}
	return b.String()
}

// described collects what is registered, whether it has a value yet or not.
type described struct {
	prometheus.Registerer
	descs []string
}

func (d *described) MustRegister(collectors ...prometheus.Collector) {
	for _, c := range collectors {
		ch := make(chan *prometheus.Desc, 1000)
		c.Describe(ch)
		close(ch)
		for desc := range ch {
			d.descs = append(d.descs, desc.String())
		}
	}
}

var descPattern = regexp.MustCompile(`fqName: "(hlo_agent_[^"]*)", help: ("[^"]*"), unit: "[^"]*", constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)

func metricsTable(t *testing.T) string {
	d := &described{}
	r := &reconciler{tracker: newTracker(time.Now)}
	newMetrics(d)
	r.watchState(d, func() time.Time { return time.Time{} }, func() float64 { return 0 }, func() bool { return false })
	var rows []string
	for _, desc := range d.descs {
		m := descPattern.FindStringSubmatch(desc)
		if m == nil {
			continue
		}
		help, err := strconv.Unquote(m[2])
		if err != nil {
			t.Fatal(err)
		}
		labels := m[4]
		for constant := range strings.SplitSeq(m[3], ",") {
			if name, _, ok := strings.Cut(constant, "="); ok {
				labels = strings.Trim(labels+","+name, ",")
			}
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |\n", m[1], strings.ReplaceAll(labels, ",", ", "), help))
	}
	slices.Sort(rows)
	if len(rows) < 15 {
		t.Fatalf("only %d metrics found: has the form of a description changed?", len(rows))
	}
	return "| metric | labels | meaning |\n| --- | --- | --- |\n" + strings.Join(rows, "")
}

// reasonsTable reads the constants whose names begin with reason, and their
// comments, from the sources.
func reasonsTable(t *testing.T) string {
	var rows []string
	for _, path := range []string{"report.go", "../mapping/errors.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(strings.ToLower(spec.Names[0].Name), "reason") || spec.Comment == nil {
				return true
			}
			word := spec.Values[0].(*ast.BasicLit).Value
			rows = append(rows, fmt.Sprintf("| `%s` | %s |\n", strings.Trim(word, `"`), strings.TrimSpace(spec.Comment.Text())))
			return true
		})
	}
	slices.Sort(rows)
	return "| reason | meaning |\n| --- | --- |\n" + strings.Join(slices.Compact(rows), "")
}
