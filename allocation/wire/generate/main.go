// Command generate makes the Go code of .proto files: protocompile reads them
// in place of protoc, and protoc-gen-go, which go.mod pins as a tool, writes
// the code.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

func main() {
	dir := flag.String("dir", ".", "folder of the .proto files; the code goes there too")
	flag.Parse()
	files, err := generate(context.Background(), *dir)
	for name, code := range files {
		if err == nil {
			err = os.WriteFile(filepath.Join(*dir, name), code, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// generate returns the generated files of a folder's .proto files by name.
func generate(ctx context.Context, dir string) (map[string][]byte, error) {
	request, err := request(ctx, dir)
	if err != nil {
		return nil, err
	}
	in, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "tool", "protoc-gen-go")
	cmd.Dir = dir
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("protoc-gen-go: %w", err)
	}
	response := &pluginpb.CodeGeneratorResponse{}
	if err := proto.Unmarshal(out, response); err != nil {
		return nil, fmt.Errorf("protoc-gen-go: %w", err)
	}
	if response.Error != nil {
		return nil, fmt.Errorf("protoc-gen-go: %s", response.GetError())
	}
	files := map[string][]byte{}
	for _, f := range response.File {
		files[f.GetName()] = []byte(f.GetContent())
	}
	return files, nil
}

// request is what protoc would send to its plug-in, comments included.
func request(ctx context.Context, dir string) (*pluginpb.CodeGeneratorRequest, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.proto"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, path := range paths {
		names = append(names, filepath.Base(path))
	}
	slices.Sort(names)
	compiler := protocompile.Compiler{
		Resolver:       &protocompile.SourceResolver{ImportPaths: []string{dir}},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	compiled, err := compiler.Compile(ctx, names...)
	if err != nil {
		return nil, err
	}
	r := &pluginpb.CodeGeneratorRequest{Parameter: proto.String("paths=source_relative"), FileToGenerate: names}
	for _, f := range compiled {
		r.ProtoFile = append(r.ProtoFile, protoutil.ProtoFromFileDescriptor(f))
	}
	r.ProtoFile = imported(r.ProtoFile)
	return r, nil
}

// imported orders files so that each comes after those that it imports.
func imported(files []*descriptorpb.FileDescriptorProto) []*descriptorpb.FileDescriptorProto {
	var ordered []*descriptorpb.FileDescriptorProto
	done := map[string]bool{}
	var add func(f *descriptorpb.FileDescriptorProto)
	add = func(f *descriptorpb.FileDescriptorProto) {
		if done[f.GetName()] {
			return
		}
		done[f.GetName()] = true
		for _, other := range files {
			if slices.Contains(f.Dependency, other.GetName()) {
				add(other)
			}
		}
		ordered = append(ordered, f)
	}
	for _, f := range files {
		add(f)
	}
	return ordered
}
