package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// between are the versions that git describe gives for a commit without a tag, and the Makefile where there is none at all.
var between = regexp.MustCompile(`^v0\.0\.0-g[0-9a-f]+|-[0-9]+-g[0-9a-f]+(-dirty)?$|-dirty$`)

// notes are what a file of changes says of a version, under a heading that is called like it. A commit between two versions has the
// newest, which stand first.
func notes(file, version string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	newest, found := "", ""
	for _, section := range strings.Split("\n"+string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		title, body = strings.TrimSpace(title), strings.TrimSpace(body)
		if body == "" {
			continue
		}
		if newest == "" {
			newest = body
		}
		if title == version {
			found = body
		}
	}
	if found == "" && between.MatchString(version) {
		found = newest
	}
	if found == "" {
		return "", fmt.Errorf("%s has nothing about %s: write what operators notice under \"## %s\"", filepath.Base(file), version, version)
	}
	return "# hlo-agent " + version + "\n\n" + found + "\n", nil
}
