package install_test

import (
	"log/slog"
	"testing"

	"github.com/hlo-agent/hlo-agent/sandbox/kube"
	"github.com/hlo-agent/hlo-agent/sandbox/manual"
)

// TestManual types the pages that need Helm, each into a cluster and a copy of the project of its own.
func TestManual(t *testing.T) {
	t.Parallel()
	built(t)
	table, err := manual.ReadTable("..")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := manual.Pages("..")
	if err != nil {
		t.Fatal(err)
	}
	played := 0
	for _, page := range pages {
		steps, err := manual.Read("..", page)
		if err != nil {
			t.Fatal(err)
		}
		if !table.OfInstall(steps) {
			continue
		}
		played++
		t.Run(page, func(t *testing.T) {
			server, err := kube.Start(t.Context(), kube.Options{Log: slog.New(slog.DiscardHandler), WithoutCRDs: true})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := server.Stop(); err != nil {
					t.Error(err)
				}
			}()
			kubeconfig, err := server.Kubeconfig()
			if err != nil {
				t.Fatal(err)
			}
			stage, err := manual.NewStage(t.Context(), manual.Options{Root: "..", Kubeconfig: kubeconfig, Kubectl: server.KubectlPath(), Helm: programs.helm})
			if err != nil {
				t.Fatal(err)
			}
			defer stage.Close()
			manual.Check(t, stage, table, steps, "..", *update)
		})
	}
	if played < 3 {
		t.Errorf("only %d pages need Helm", played)
	}
}
