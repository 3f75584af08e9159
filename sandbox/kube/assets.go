package kube

import (
	"context"
	_ "embed"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// Assets are the paths of the programs. Kubectl is of the API server's version; it is empty when a folder that
// the user gave has none.
type Assets struct{ APIServer, Etcd, Kubectl string }

// assetsVariable names a folder with kube-apiserver, etcd and kubectl, as Kubernetes' own test tools have it.
const assetsVariable = "KUBEBUILDER_ASSETS"

//go:embed kube.mod
var kubeMod []byte

//go:embed kube.sum
var kubeSum []byte

// kubeVersion is what the programs report; kube.mod requires the same.
const kubeVersion = "v1.36.3"

func kubeRecipe() recipe {
	flags := []string{"-ldflags", "-s -w -X k8s.io/component-base/version.gitVersion=" + kubeVersion}
	return recipe{
		name: "kube-" + kubeVersion,
		mod:  kubeMod,
		sum:  kubeSum,
		programs: []program{
			{name: "etcd", pkg: "go.etcd.io/etcd/server/v3", flags: []string{"-ldflags", "-s -w"}},
			{name: "kube-apiserver", pkg: "k8s.io/kubernetes/cmd/kube-apiserver", flags: flags},
			{name: "kubectl", pkg: "k8s.io/kubernetes/cmd/kubectl", flags: flags},
		},
	}
}

// FindAssets gives the programs in folder, or if that is empty in the folder that KUBEBUILDER_ASSETS names, or
// else those in the user's cache folder, where they are built first if need be: that takes minutes, needs the
// go command, says so on log, and happens once however many processes ask. ctx ends the build.
func FindAssets(ctx context.Context, folder string, log *slog.Logger) (Assets, error) {
	if folder == "" {
		folder = os.Getenv(assetsVariable)
	}
	if folder != "" {
		return assetsIn(folder)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Assets{}, fmt.Errorf("find a cache folder for kube-apiserver (or set %s): %w", assetsVariable, err)
	}
	built, err := kubeRecipe().ensure(ctx, filepath.Join(cache, "hlo-agent"), log)
	if err != nil {
		return Assets{}, fmt.Errorf("build kube-apiserver and etcd (or set %s): %w", assetsVariable, err)
	}
	return assetsIn(built)
}

func assetsIn(folder string) (Assets, error) {
	folder, err := filepath.Abs(folder) // the programs are started in another folder
	if err != nil {
		return Assets{}, fmt.Errorf("find %s: %w", folder, err)
	}
	found := Assets{
		APIServer: filepath.Join(folder, "kube-apiserver"),
		Etcd:      filepath.Join(folder, "etcd"),
		Kubectl:   filepath.Join(folder, "kubectl"),
	}
	for _, path := range []string{found.APIServer, found.Etcd} {
		if _, err := os.Stat(path); err != nil {
			return Assets{}, fmt.Errorf("find a program (%s, or the folder given): %w", assetsVariable, err)
		}
	}
	if _, err := os.Stat(found.Kubectl); err != nil {
		found.Kubectl = ""
	}
	return found, nil
}
