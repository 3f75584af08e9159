package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/hlo-agent/hlo-agent/llo"
	"github.com/hlo-agent/hlo-agent/ngsild"
	"github.com/hlo-agent/hlo-agent/sandbox/broker"
	"github.com/hlo-agent/hlo-agent/sandbox/kube"
	"github.com/hlo-agent/hlo-agent/sandbox/world"
)

// stepTime is how long one step of a component through the domains may take.
const stepTime = 60 * time.Second

// site is one whole domain: its broker, its namespace, its agent.
type site struct {
	world.Site
	namespace string
	listener  net.Listener
	client    *ngsild.Client
	agent     *agentProcess
	log       *os.File
}

func (s *site) brokerURL() string { return "http://" + s.listener.Addr().String() }

// twoDomains runs two domains whose brokers ask each other for what they do not
// hold, and takes a component through them: into the other domain, back on
// Overload, and away. With once it ends then.
func twoDomains(ctx context.Context, once bool, log *slog.Logger, stdout io.Writer) (err error) {
	binary, err := agentBinary()
	if err != nil {
		return err
	}
	server, err := kube.Start(ctx, kube.Options{Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	folder, err := os.MkdirTemp("", "hlo-sandbox-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	kubeconfig := filepath.Join(folder, "kubeconfig")
	if err := writeKubeconfig(server, kubeconfig); err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group errgroup.Group
	defer func() { cancel(); err = errors.Join(err, group.Wait()) }()
	group.Go(func() error { return runOrchestrators(running, server.REST(), log) })

	home, away := &site{Site: world.Home()}, &site{Site: world.Away()}
	for _, s := range []*site{home, away} {
		if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		s.namespace = strings.ToLower(s.Name)
		s.client = ngsild.NewClient(ngsild.ClientConfig{BaseURL: s.brokerURL(), Transport: http.DefaultTransport})
	}
	for _, s := range []*site{home, away} {
		other := home
		if s == home {
			other = away
		}
		b := broker.New(broker.Options{Log: log, Peers: []string{other.brokerURL()}})
		defer b.Close()
		group.Go(func() error { return b.Serve(running, s.listener) })
		if err := s.start(ctx, binary, kubeconfig, folder, server); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.agent.stop(), s.log.Close()) }()
	}
	tour, err := newTour(home, away, server, stdout)
	if err != nil {
		return err
	}
	if err := tour.run(ctx); err != nil {
		return errors.Join(err, tail(home.log.Name()), tail(away.log.Name()))
	}
	if !once {
		fmt.Fprintf(stdout, "\nBoth domains go on until Ctrl-C: brokers %s and %s, logs in %s,\n  %s --kubeconfig %s get aeros -A\n",
			home.brokerURL(), away.brokerURL(), folder, server.KubectlPath(), kubeconfig)
		<-ctx.Done()
	}
	return nil
}

// start makes a domain's namespace and starts its agent, then writes its
// entities, which say where the agent is reached.
func (s *site) start(ctx context.Context, binary, kubeconfig, folder string, server *kube.Server) (err error) {
	clients, err := kubernetes.NewForConfig(server.REST())
	if err != nil {
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}}
	if _, err := clients.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("make namespace %s: %w", s.namespace, err)
	}
	if s.log, err = os.Create(filepath.Join(folder, s.namespace+".log")); err != nil {
		return err
	}
	s.agent, err = startAgent(binary, map[string]string{
		"CB_URL": s.brokerURL(), "KUBECONFIG": kubeconfig, "DOMAIN_ID": s.Name, "NAMESPACE": s.namespace, "API_AUTH": "off",
	}, s.log)
	if err != nil {
		return err
	}
	if err := s.agent.waitReady(ctx); err != nil {
		return errors.Join(err, tail(s.log.Name()))
	}
	return createEntities(ctx, s.brokerURL(), s.Entities(strings.TrimSuffix(s.agent.url, "/notify")))
}

// tour takes one component through two domains.
type tour struct {
	home, away *site
	board      *board
	began      time.Time
	out        io.Writer
}

func newTour(home, away *site, server *kube.Server, out io.Writer) (*tour, error) {
	cluster, err := dynamic.NewForConfig(server.REST())
	if err != nil {
		return nil, fmt.Errorf("connect to the API server: %w", err)
	}
	return &tour{home: home, away: away, board: &board{cluster: cluster}, began: time.Now(), out: out}, nil
}

func (t *tour) run(ctx context.Context) error {
	order := func(attrs map[string]any) error { return t.home.client.Merge(ctx, world.Traveller, attrs) }
	element := func(s *site) map[string]any { return map[string]any{"type": "Relationship", "object": s.Element} }
	status := func(word string) map[string]any {
		return map[string]any{"type": "Relationship", "object": "urn:ngsi-ld:ServiceComponentStatus:" + word}
	}
	for _, step := range []struct {
		says  string
		do    map[string]any
		where *site
	}{
		{"placed in " + t.away.Name + " by the agent of " + t.home.Name, map[string]any{"infrastructureElement": element(t.away)}, t.away},
		{"moved back to " + t.home.Name + " on Overload", map[string]any{"infrastructureElement": element(t.home), "serviceComponentStatus": status("Overload")}, t.home},
		{"placed in " + t.away.Name + " again", map[string]any{"infrastructureElement": element(t.away)}, t.away},
		{"removed, through both domains", map[string]any{"serviceComponentStatus": status("Removing")}, nil},
	} {
		if err := order(step.do); err != nil {
			return err
		}
		began := time.Now()
		if err := poll(ctx, stepTime, func() error { return t.at(ctx, step.where) }); err != nil {
			return fmt.Errorf("%s: %w", step.says, err)
		}
		fmt.Fprintf(t.out, "%-45s %.1f s\n", step.says, time.Since(began).Seconds())
	}
	fmt.Fprintf(t.out, "\na component went through two domains in %.1f s; one copy ran at each end\n", time.Since(t.began).Seconds())
	return nil
}

// at says whether the component runs in one domain and is in no other; nil is
// none.
func (t *tour) at(ctx context.Context, where *site) error {
	namespaces, err := t.copies(ctx)
	if err != nil {
		return err
	}
	e, err := t.home.client.Entity(ctx, world.Traveller)
	if err != nil {
		return err
	}
	word, want := e.Enum("serviceComponentStatus"), "Finished"
	place := ""
	if where != nil {
		want, place = "Running", where.namespace
	}
	if word != want || strings.Join(namespaces, " ") != place {
		value, _ := json.Marshal(e.Attrs["deploymentStatus"].Value)
		return fmt.Errorf("it is %s, in namespaces %q, want %s in %q: %s", word, namespaces, want, place, value)
	}
	return nil
}

// copies are the namespaces in which an object of the component is.
func (t *tour) copies(ctx context.Context) ([]string, error) {
	resources, err := customResources()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, resource := range resources {
		list, err := t.board.cluster.Resource(resource).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", resource.Resource, err)
		}
		for i := range list.Items {
			if list.Items[i].GetAnnotations()[llo.EntityAnnotation] == world.Traveller {
				found = append(found, list.Items[i].GetNamespace())
			}
		}
	}
	return found, nil
}
