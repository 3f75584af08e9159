package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

const usage = `usage:
  release image -name NAME -version VERSION -created TIME -out FILE ARCH=PROGRAM...
  release push [-plain-http] FILE REGISTRY/REPOSITORY:TAG
  release sbom -version VERSION -created TIME PROGRAM
  release notes -version VERSION FILE`

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	var b build
	flags.StringVar(&b.name, "name", "hlo-agent", "what the image is called when it is loaded from the file")
	flags.StringVar(&b.version, "version", "", "version of what is built")
	created := flags.String("created", "", "RFC 3339 time that everything in it bears")
	out := flags.String("out", "", "file to write")
	plain := flags.Bool("plain-http", false, "the registry has no TLS")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	rest := flags.Args()
	switch {
	case args[0] == "push" && len(rest) == 2:
		return push(ctx, rest[0], rest[1], *plain, stdout)
	case args[0] == "notes" && len(rest) == 1:
		text, err := notes(rest[0], b.version)
		if err != nil {
			return err
		}
		_, err = io.WriteString(stdout, text)
		return err
	case args[0] != "image" && args[0] != "sbom", len(rest) == 0, b.version == "":
		return errors.New(usage)
	}
	var err error
	if b.created, err = time.Parse(time.RFC3339, *created); err != nil {
		return fmt.Errorf("-created: %w", err)
	}
	b.created = b.created.UTC()
	if args[0] == "sbom" {
		text, err := b.sbom(rest[0])
		if err != nil {
			return err
		}
		_, err = stdout.Write(text)
		return err
	}
	for _, arg := range rest {
		arch, program, ok := strings.Cut(arg, "=")
		if !ok || *out == "" {
			return errors.New(usage)
		}
		if err := b.add(arch, program); err != nil {
			return fmt.Errorf("image for %s: %w", arch, err)
		}
	}
	digest, err := b.write(*out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, digest)
	return err
}
