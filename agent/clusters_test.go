package agent

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/hlo-agent/hlo-agent/llo"
)

// someClusters is a set with the default cluster in it, none of which runs.
func someClusters(t *testing.T, workers int) *clusters {
	t.Helper()
	c := newClusters(workers, slog.New(slog.DiscardHandler), func(name string, to *rest.Config) (*llo.Cluster, error) {
		return llo.New(llo.Config{Name: name, REST: to, Owner: "o", Manager: "m"})
	})
	if err := c.add(defaultCluster, to("default")); err != nil {
		t.Fatal(err)
	}
	return c
}

func to(host string) connection {
	return connection{rest: &rest.Config{Host: "http://" + host + ".invalid"}, digest: host}
}

// TestBusyCluster: where there are several clusters, one that does not answer
// takes half of the workers and no more.
func TestBusyCluster(t *testing.T) {
	t.Parallel()
	c := someClusters(t, 4)
	for range 10 {
		if _, _, err := c.enter(defaultCluster); err != nil {
			t.Fatalf("a cluster that is alone: %v", err)
		}
	}
	if err := c.bind(&clusterTable{connections: map[string]connection{"far": to("far")}}); err != nil {
		t.Fatal(err)
	}
	var leave []func()
	for range 2 {
		_, done, err := c.enter("far")
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, done)
	}
	if _, _, err := c.enter("far"); !errors.Is(err, errBusy) {
		t.Errorf("the third of four workers: %v, want errBusy", err)
	}
	if _, _, err := c.enter(defaultCluster); err != nil {
		t.Errorf("another cluster: %v", err)
	}
	leave[0]()
	if _, _, err := c.enter("far"); err != nil {
		t.Errorf("after one was done: %v", err)
	}
	if _, _, err := c.enter("nowhere"); !errors.Is(err, llo.ErrRetry) || !errors.Is(err, errNoConnection) {
		t.Errorf("a cluster that is not there: %v", err)
	}
}

// TestBind: a connection that cannot be used changes nothing for a cluster that
// has one; what is bound no more is left once it is empty.
func TestBind(t *testing.T) {
	t.Parallel()
	c := someClusters(t, 4)
	broken := connection{err: errors.New("no such file"), digest: "broken"}
	table := func(far connection) *clusterTable {
		return &clusterTable{connections: map[string]connection{"far": far}, domains: map[string]string{"Far": "far"}}
	}
	if err := c.bind(table(broken)); err == nil {
		t.Error("a connection that cannot be used is not told")
	}
	if name := c.For("", "urn:ngsi-ld:Domain:Far"); name != "far" {
		t.Errorf("bound to %s although its cluster cannot be reached", name)
	}
	if why := c.lost("far", time.Hour); why == nil || plainly(why) != errNoConnection.Error() {
		t.Errorf("lost: %v", why)
	}
	if err := c.bind(table(to("far"))); err != nil {
		t.Fatal(err)
	}
	if why := c.lost("far", 0); why != nil {
		t.Errorf("lost: %v, before anything was asked", why)
	}
	made, _ := c.get("far")
	if err := c.bind(table(broken)); err == nil {
		t.Error("a connection that cannot be used is not told")
	}
	if now, err := c.get("far"); err != nil || now.Cluster != made.Cluster {
		t.Errorf("the connection before is not kept: %v", err)
	}
	if err := c.bind(&clusterTable{}); err != nil {
		t.Fatal(err)
	}
	if name := c.For("", "urn:ngsi-ld:Domain:Far"); name != defaultCluster {
		t.Errorf("bound to %s after its cluster was taken out", name)
	}
	c.leave() // nothing is followed in it, so nothing of ours is there
	if names := c.names(); !slices.Equal(names, []string{defaultCluster}) {
		t.Errorf("clusters %v", names)
	}
}
