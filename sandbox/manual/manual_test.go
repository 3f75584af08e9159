package manual

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hlo-agent/hlo-agent/sandbox/kube/kubetest"
)

const root = "../.."

var (
	cluster kubetest.Shared
	update  = flag.Bool("update", false, "write into the pages what their commands print now")
)

func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }

func everything(t *testing.T) (*Table, map[string][]Step) {
	t.Helper()
	table, err := ReadTable(root)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]Step{}
	for _, page := range pages {
		if all[page], err = Read(root, page); err != nil {
			t.Error(err)
		}
	}
	return table, all
}

// TestEveryCommand types what the pages say, one page after the other, but for those of the module install.
func TestEveryCommand(t *testing.T) {
	t.Parallel()
	table, pages := everything(t)
	server := cluster.Server(t)
	kubeconfig, err := server.Kubeconfig()
	if err != nil {
		t.Fatal(err)
	}
	stage, err := NewStage(t.Context(), Options{Root: root, Kubeconfig: kubeconfig, Kubectl: server.KubectlPath()})
	if err != nil {
		t.Fatal(err)
	}
	defer stage.Close()
	typed := 0
	for page, steps := range pages {
		if table.OfInstall(steps) {
			continue
		}
		typed += len(steps)
		t.Run(page, func(t *testing.T) { Check(t, stage, table, steps, root, *update) })
	}
	if typed < 30 {
		t.Errorf("only %d commands were found", typed)
	}
}

// TestTable: the list of exceptions is about commands that there are.
func TestTable(t *testing.T) {
	t.Parallel()
	table, pages := everything(t)
	var all []Step
	for _, steps := range pages {
		all = append(all, steps...)
	}
	for _, command := range table.Unmet(all) {
		t.Errorf("docs/commands.yaml: no page has the command %q", command)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	steps, err := read("p.md", strings.Join([]string{
		"Type `make one` or `make`:", "", "```sh", "# not this", "make two \\", "  three # but why", "", "kubectl get x", "```",
		"```yaml a/b.yaml", "k: v", "```", "```console", "$ helm list", "NAME", "none", "$ true", "```",
	}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Step{
		{Page: "p.md", Line: 1, Text: "make one", Span: true, from: -1},
		{Page: "p.md", Line: 5, Text: "make two \\\n  three # but why", from: -1},
		{Page: "p.md", Line: 8, Text: "kubectl get x", from: -1},
		{Page: "p.md", Line: 10, File: "a/b.yaml", Text: "k: v\n", from: -1},
		{Page: "p.md", Line: 14, Text: "helm list", Printed: "NAME\nnone", from: 14, to: 16},
		{Page: "p.md", Line: 17, Text: "true", from: 17, to: 17},
	}
	if diff := cmp.Diff(want, steps, cmp.AllowUnexported(Step{})); diff != "" {
		t.Error(diff)
	}
	if got := plain(steps[1].Text); got != "make two three" {
		t.Errorf("plain: %q", got)
	}
	for _, command := range []string{"make two", "$ make two"} {
		if _, err := read("p.md", "Type\n\n    "+command+"\n"); err == nil || err.Error() != `p.md:3: "make two" belongs into a fenced block of sh` {
			t.Errorf("an indented command: %v", err)
		}
	}
}

// TestPlayNotices: commands that fail, hang or print something else are noticed, and named.
func TestPlayNotices(t *testing.T) {
	t.Parallel()
	s := &Stage{Dir: t.TempDir(), folder: t.TempDir(), home: t.TempDir(), path: os.Getenv("PATH"), words: []string{"orion-ld:1026", "127.0.0.1:5"}}
	table := &Table{commands: map[string]string{"never": "", "false 1": "true"}, met: map[string]bool{}}
	for name, c := range map[string]struct{ text, want string }{
		"fails":        {"```sh\ntrue\nls /nonesuch\n```\n", "p.md:3: it ended with 2: ls /nonesuch"},
		"is unknown":   {"```sh\nnonesuch x\n```\n", "p.md:2: it ended with 127"},
		"hangs":        {"```sh\nsleep 600\n```\n", "p.md:2: it did not end"},
		"lasts":        {"```sh\nX=1\ncd /\n[ $X$PWD = 1/ ]\n```\n", ""},
		"is replaced":  {"```sh\nfalse 1\nnever\n```\n", ""},
		"prints":       {"```console\n$ echo http://orion-ld:1026; false\nhttp://orion-ld:1026\n```\n", ""},
		"leaves a job": {"```sh\nsleep 600 &\ntrue\n```\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps, err := read("p.md", c.text)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			printed, err := s.Play(ctx, table, steps)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if name == "prints" && printed[0] != "http://orion-ld:1026" {
				t.Errorf("printed %q", printed[0])
			}
		})
	}
}

func TestRewritten(t *testing.T) {
	t.Parallel()
	text := "```console\n$ one\nold\nold\n$ two\n$ three\nold\n```\nend"
	steps, err := read("p.md", text)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := rewritten(text, steps, []string{"new", "more\nnews", ""}), "```console\n$ one\nnew\n$ two\nmore\nnews\n$ three\n```\nend"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestComparable(t *testing.T) {
	t.Parallel()
	for _, same := range [][2]string{
		{"NAME   AGE\nx      3m2s", "NAME AGE\nx 41s"},
		{"uid 0ab21c34-aaaa-bbbb-cccc-0123456789ab", "uid 1ab21c34-aaaa-bbbb-cccc-0123456789ab"},
		{"at 2026-11-24T10:00:00.123Z", "at 2026-11-25T11:00:00Z"},
	} {
		if a, b := Comparable(same[0]), Comparable(same[1]); a != b {
			t.Errorf("%q and %q", a, b)
		}
	}
	if Comparable("x Running") == Comparable("x Failed") {
		t.Error("too much is masked")
	}
}
