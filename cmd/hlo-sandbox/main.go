// Command hlo-sandbox runs what hlo-agent works with on one machine.
package main

import (
	"context"
	"os"

	"github.com/hlo-agent/hlo-agent/sandbox"
)

func main() {
	os.Exit(sandbox.Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
