package agent

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// asPlugin makes root a plugin of kubectl if it is called by the name of one, and
// gives the arguments that it is to run with. kubectl asks for completions by another
// name.
func asPlugin(root *cobra.Command, program string, args []string) []string {
	switch strings.TrimSuffix(filepath.Base(program), ".exe") {
	case "kubectl-hlo":
	case "kubectl_complete-hlo":
		args = append([]string{cobra.ShellCompRequestCmd}, args...)
	default:
		return args
	}
	root.Use, root.Annotations = "kubectl-hlo", map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl hlo"}
	root.Long = strings.Replace(root.Long, "hlo-agent makes", "This is hlo-agent as a plugin of kubectl. It makes", 1)
	called(root)
	return args
}

// called has the examples of all commands be of the plugin.
func called(cmd *cobra.Command) {
	cmd.Example = strings.ReplaceAll(cmd.Example, "hlo-agent ", "kubectl hlo ")
	for _, below := range cmd.Commands() {
		called(below)
	}
}
