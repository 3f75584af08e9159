package mapping

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Source is one file of mappings: YAML, one or several documents.
type Source struct {
	// Name is what problems call the file.
	Name string
	Data []byte
	// Shipped marks a mapping of the program itself. Another of the same name takes its place.
	Shipped bool
}

//go:embed mappings/*.yaml
var shipped embed.FS

// Shipped are the mappings that the program brings, by name, or all of them if none is named. They are
// sorted by name.
func Shipped(names ...string) ([]Source, error) {
	paths, err := fs.Glob(shipped, "mappings/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list shipped mappings: %w", err)
	}
	var sources []Source
	var known []string
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		known = append(known, name)
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		data, err := fs.ReadFile(shipped, path)
		if err != nil {
			return nil, fmt.Errorf("read shipped mapping %s: %w", name, err)
		}
		sources = append(sources, Source{Name: path, Data: data, Shipped: true})
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no shipped mapping is called %q%s", name, didYouMean(name, known, "there are: "+strings.Join(known, ", ")))
		}
	}
	return sources, nil
}

// ReadPaths reads mapping files. Of a directory it takes the *.yaml and *.yml in it, not below it, in
// the order of their names; names that begin with a dot are left out, so that a mounted ConfigMap is
// read once.
func ReadPaths(paths ...string) ([]Source, error) {
	var sources []Source
	var problems []error
	for _, path := range paths {
		files, err := mappingFiles(path)
		problems = append(problems, err)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				problems = append(problems, fmt.Errorf("read mapping: %w", err))
				continue
			}
			sources = append(sources, Source{Name: file, Data: data})
		}
	}
	return sources, errors.Join(problems...)
}

func mappingFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read mappings: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("read mappings: %w", err)
	}
	var files []string
	for _, entry := range entries {
		name := entry.Name()
		if extension := filepath.Ext(name); strings.HasPrefix(name, ".") || extension != ".yaml" && extension != ".yml" {
			continue
		}
		// A ConfigMap's files are symbolic links, so the entry's own type does not tell.
		if info, err := os.Stat(filepath.Join(path, name)); err == nil && info.Mode().IsRegular() {
			files = append(files, filepath.Join(path, name))
		}
	}
	return files, nil
}
