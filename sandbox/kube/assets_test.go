package kube

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindAssetsInAFolder(t *testing.T) {
	folder, empty := t.TempDir(), t.TempDir()
	script(t, folder, "etcd", "")
	script(t, folder, "kube-apiserver", "")
	want := Assets{APIServer: filepath.Join(folder, "kube-apiserver"), Etcd: filepath.Join(folder, "etcd")}

	t.Setenv(assetsVariable, empty)
	got, err := FindAssets(t.Context(), folder, testLog(t))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("the folder given comes first: %v\n%s", err, diff)
	}
	_, err = FindAssets(t.Context(), "", testLog(t))
	if err == nil || !strings.Contains(err.Error(), "find a program (KUBEBUILDER_ASSETS") {
		t.Errorf("an empty folder: got %v", err)
	}

	script(t, folder, "kubectl", "")
	want.Kubectl = filepath.Join(folder, "kubectl")
	t.Setenv(assetsVariable, folder)
	got, err = FindAssets(t.Context(), "", testLog(t))
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("the folder of the environment: %v\n%s", err, diff)
	}
}

func TestKubeModuleRequiresTheVersionThatIsReported(t *testing.T) {
	t.Parallel()
	if want := []byte("\tk8s.io/kubernetes " + kubeVersion); !bytes.Contains(kubeMod, want) {
		t.Errorf("kube.mod has no %q", want)
	}
}
