package agent

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// By the name of a kubectl plugin the program speaks as one.
func TestPlugin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		program string
		args    []string
		want    []string
		not     string
	}{
		{"/usr/bin/hlo-agent", []string{"status", "--help"}, []string{"hlo-agent status [flags]", "  hlo-agent status -o wide"}, "kubectl hlo"},
		{"/usr/bin/kubectl-hlo", []string{"status", "--help"}, []string{"kubectl hlo status [flags]", "  kubectl hlo status -o wide", "--context", "-n, --namespace", "--kubeconfig"}, "hlo-agent status"},
		{"kubectl-hlo.exe", []string{"--help"}, []string{"This is hlo-agent as a plugin of kubectl", "kubectl hlo [command]", "why"}, "hlo-agent [command]"},
		{"kubectl_complete-hlo", []string{"stat"}, []string{"status\tShow where every component stands"}, "kubectl"},
		{"kubectl_complete-hlo", []string{"status", "-o", ""}, []string{"wide\n", "json\n", "yaml\n"}, "kubectl"},
	} {
		var out, errs bytes.Buffer
		code := Main(context.Background(), c.program, c.args, func(string) string { return "" }, strings.NewReader(""), &out, &errs)
		if code != 0 {
			t.Errorf("%s %q: exit %d: %s", c.program, c.args, code, errs.String())
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s %q: no %q in\n%s", c.program, c.args, want, out.String())
			}
		}
		if strings.Contains(out.String(), c.not) {
			t.Errorf("%s %q: %q in\n%s", c.program, c.args, c.not, out.String())
		}
	}
}
