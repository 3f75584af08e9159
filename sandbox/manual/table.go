package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"
)

// exceptions are commands that are, for one reason, typed in another form than on their page, or executed by something else.
type exceptions struct {
	Why   string            `json:"why"`
	Typed map[string]string `json:"typed,omitempty"` // what is typed instead
	By    map[string]string `json:"by,omitempty"`    // FILE TEXT: what else executes it, and the text there that does
}

// Table is docs/commands.yaml.
type Table struct {
	root     string
	commands map[string]string // what is typed instead; empty: something else executes it
	met      map[string]bool
}

// ReadTable reads the table of the project below root, and checks that what it refers to is there.
func ReadTable(root string) (*Table, error) {
	const path = "docs/commands.yaml"
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return nil, fmt.Errorf("read the table of commands: %w", err)
	}
	var all []exceptions
	if err := yaml.UnmarshalStrict(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t := &Table{root: root, commands: map[string]string{}, met: map[string]bool{}}
	for _, e := range all {
		if e.Why == "" {
			return nil, fmt.Errorf("%s: every group needs its reason (why)", path)
		}
		for command, typed := range e.Typed {
			t.commands[plain(command)] = typed
		}
		for command, by := range e.By {
			if err := t.executedBy(by); err != nil {
				return nil, fmt.Errorf("%s: %q: %w", path, command, err)
			}
			t.commands[plain(command)] = ""
		}
	}
	return t, nil
}

func (t *Table) executedBy(by string) error {
	file, what, _ := strings.Cut(by, " ")
	text, err := os.ReadFile(filepath.Join(t.root, file))
	if err != nil {
		return err
	}
	if what == "" || !strings.Contains(string(text), what) {
		return fmt.Errorf("%s does not say %q", file, what)
	}
	return nil
}

var commentPattern = regexp.MustCompile(`\s+# .*$`)

// plain is a command in one line, without a comment behind it.
func plain(command string) string {
	command = strings.ReplaceAll(command, "\\\n", " ")
	return strings.Join(strings.Fields(commentPattern.ReplaceAllString(command, "")), " ")
}

// typed is what is typed for a command; false if something else executes it.
func (t *Table) typed(command string) (string, bool) {
	instead, ok := t.commands[plain(command)]
	if !ok {
		return command, true
	}
	t.met[plain(command)] = true
	return instead, instead != ""
}

// Unmet are the commands of the table that none of the steps has.
func (t *Table) Unmet(steps []Step) []string {
	for _, s := range steps {
		if s.File == "" {
			t.typed(s.Text)
		}
	}
	var unmet []string
	for command := range t.commands {
		if !t.met[command] {
			unmet = append(unmet, command)
		}
	}
	return unmet
}
