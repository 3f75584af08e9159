// Command hlo-agent makes NGSI-LD ServiceComponents run on Kubernetes.
package main

import (
	"context"
	"os"

	"github.com/hlo-agent/hlo-agent/agent"
)

func main() {
	os.Exit(agent.Main(context.Background(), os.Args[0], os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}
