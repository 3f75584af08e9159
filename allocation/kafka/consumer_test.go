package kafka_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"google.golang.org/protobuf/proto"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/allocation/kafka"
	"github.com/hlo-agent/hlo-agent/allocation/wire"
)

const (
	topic = "allocator2deployment"
	dead  = topic + ".dead-letter"
	group = "deployment"
)

// world plays the broker: it knows where every component is, and every change.
type world struct {
	mu      sync.Mutex
	element map[string]string
	history map[string][]string
	refuse  map[string]bool
	fail    map[string]int // so many times more
	block   chan struct{}  // if set, carrying out waits until it is closed
	result  map[string]int
}

func newWorld() *world {
	return &world{element: map[string]string{}, history: map[string][]string{}, refuse: map[string]bool{}, fail: map[string]int{}, result: map[string]int{}}
}

func (w *world) carry(ctx context.Context, batch []allocation.Allocation) []error {
	w.mu.Lock()
	block := w.block
	w.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	errs := make([]error, len(batch))
	for i, a := range batch {
		id, to := string(a.Component), string(a.Element)
		switch {
		case ctx.Err() != nil:
			errs[i] = ctx.Err()
		case w.refuse[id]:
			errs[i] = fmt.Errorf("no such component: %w", kafka.ErrRefused)
		case w.fail[id] > 0:
			w.fail[id]--
			errs[i] = errors.New("broker down")
		case w.element[id] != to:
			w.element[id] = to
			w.history[id] = append(w.history[id], to)
		}
	}
	return errs
}

func (w *world) count(result string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result[result]++
}

func (w *world) seen(id string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.history[id])
}

func (w *world) counted() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.result)
}

func startCluster(t *testing.T, partitions int32, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic, dead)}, opts...)...)
	must(t, err)
	t.Cleanup(cluster.Close)
	return cluster
}

func config(cluster *kfake.Cluster, w *world, instance string) kafka.Config {
	return kafka.Config{
		Servers: cluster.ListenAddrs(), Group: group, Topic: topic, DeadLetter: dead, Instance: instance,
		Carry: w.carry, Count: w.count, State: func(string) {}, Log: slog.New(slog.DiscardHandler),
	}
}

// start runs a consumer until stop is called or the test ends.
func start(t *testing.T, cfg kafka.Config) (c *kafka.Consumer, stop func()) {
	t.Helper()
	c, err := kafka.New(cfg)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the consumer ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return c, stop
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, condition func() error) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

func message(pairs ...string) []byte {
	in := &wire.HLODeploymentEngineInput{}
	for i := 0; i < len(pairs); i += 2 {
		in.ServiceComponentAllocations = append(in.ServiceComponentAllocations, &wire.ServiceComponentAllocation{
			NewAllocatedServiceComponent: &wire.ServiceComponent{Id: pairs[i], InfrastructureElement: &wire.InfrastructureElement{Id: pairs[i+1]}},
		})
	}
	body, err := proto.Marshal(in)
	if err != nil {
		panic(err)
	}
	return body
}

// send writes messages with a key, so that those of one key keep their order.
func send(t *testing.T, cluster *kfake.Cluster, key string, bodies ...[]byte) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic(topic))
	must(t, err)
	defer client.Close()
	for _, body := range bodies {
		must(t, client.ProduceSync(t.Context(), &kgo.Record{Key: []byte(key), Value: body}).FirstErr())
	}
}

// letters reads n messages of the dead-letter topic.
func letters(t *testing.T, cluster *kfake.Cluster, n int) []*kgo.Record {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(dead))
	must(t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var all []*kgo.Record
	for len(all) < n && ctx.Err() == nil {
		all = append(all, client.PollFetches(ctx).Records()...)
	}
	if len(all) != n {
		t.Fatalf("%d messages in the dead-letter topic, want %d", len(all), n)
	}
	slices.SortFunc(all, func(a, b *kgo.Record) int { return strings.Compare(string(a.Value), string(b.Value)) })
	return all
}

func header(r *kgo.Record, key string) string {
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// committed is the sum of the group's offsets over the partitions.
func committed(cluster *kfake.Cluster) int64 {
	var sum int64
	if info := cluster.GroupInfo(group); info != nil {
		for _, commit := range info.Commits[topic] {
			sum += commit.Offset
		}
	}
	return sum
}

func has(w *world, id string, want ...string) func() error {
	return func() error {
		if diff := cmp.Diff(want, w.seen(id)); diff != "" {
			return errors.New("(-want +got)\n" + diff)
		}
		return nil
	}
}

func isCommitted(cluster *kfake.Cluster, want int64) func() error {
	return func() error {
		if got := committed(cluster); got != want {
			return fmt.Errorf("committed %d, want %d", got, want)
		}
		return nil
	}
}

// An offset is committed when the effect is durable, and not before.
func TestCommitFollowsTheEffect(t *testing.T) {
	t.Parallel()
	cluster, w := startCluster(t, 1), newWorld()
	w.block = make(chan struct{})
	c, _ := start(t, config(cluster, w, "a"))
	send(t, cluster, "k", message("c1", "e1"), message("c1", "e2", "c2", "e1"))
	eventually(t, "the messages are known", func() error {
		if lag := c.Lag(); lag != 2 {
			return fmt.Errorf("lag %d, want 2", lag)
		}
		return nil
	})
	if n := committed(cluster); n != 0 {
		t.Errorf("committed %d before the effect", n)
	}
	close(w.block)
	eventually(t, "committed", isCommitted(cluster, 2))
	must(t, has(w, "c1", "e1", "e2")())
	must(t, has(w, "c2", "e1")())
	eventually(t, "no lag", func() error {
		if lag := c.Lag(); lag != 0 {
			return fmt.Errorf("lag %d", lag)
		}
		return nil
	})
}

// What cannot be read or carried out goes to the dead-letter topic with its
// reason, alone, and the flow goes on.
func TestPoisonIsPutAside(t *testing.T) {
	t.Parallel()
	cluster, w := startCluster(t, 1), newWorld()
	w.refuse["bad"] = true
	start(t, config(cluster, w, "a"))
	send(t, cluster, "k", []byte{0xff, 0xff, 0xff}, message(), message("c1", "e1", "bad", "e1", "", "e3"), message("c2", "e1"))
	eventually(t, "after the poison", has(w, "c2", "e1"))
	eventually(t, "committed", isCommitted(cluster, 4))
	must(t, has(w, "c1", "e1")())
	got := map[string]string{}
	for _, r := range letters(t, cluster, 4) {
		got[header(r, kafka.HeaderOffset)+" "+header(r, kafka.HeaderReason)] = string(r.Value)
		if header(r, kafka.HeaderTopic) != topic || header(r, kafka.HeaderPartition) != "0" || string(r.Key) != "k" {
			t.Errorf("a letter says it is from %v with key %s", r.Headers, r.Key)
		}
	}
	want := map[string]string{
		"1 no allocation in it": "",
		"2 an allocation without new_allocated_service_component.id": string(message("", "e3")),
		"2 no such component: cannot be carried out":                 string(message("bad", "e1")),
	}
	for reason, body := range want {
		if got[reason] != body {
			t.Errorf("no letter %q with its allocation alone; there are %q", reason, got)
		}
	}
	if diff := cmp.Diff(map[string]int{"carried": 2, "refused": 1, "unreadable": 3}, w.counted()); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// What fails for now is tried again, keeps the order of its partition, and
// does not keep another partition waiting.
func TestRetryKeepsTheOrder(t *testing.T) {
	t.Parallel()
	cluster, w := startCluster(t, 2), newWorld()
	w.fail["slow"] = 5 // some seconds
	start(t, config(cluster, w, "a"))
	on := func(partition int32, bodies ...[]byte) {
		client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		must(t, err)
		defer client.Close()
		for _, body := range bodies {
			must(t, client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Partition: partition, Value: body}).FirstErr())
		}
	}
	on(0, message("slow", "e1", "other", "e1"), message("slow", "e2"))
	on(1, message("quick", "e1"))
	eventually(t, "the other partition", has(w, "quick", "e1"))
	eventually(t, "the other component of the message", has(w, "other", "e1"))
	if n := len(w.seen("slow")); n != 0 {
		t.Errorf("the failing one is done already")
	}
	eventually(t, "the failing one at last", has(w, "slow", "e1", "e2"))
	eventually(t, "committed", isCommitted(cluster, 3))
}

// Brokers that fail requests, cut connections and move group coordinators
// lose nothing and double nothing.
func TestBrokerTrouble(t *testing.T) {
	t.Parallel()
	cluster, w := startCluster(t, 3), newWorld()
	cluster.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: group, Err: kerr.CoordinatorNotAvailable, Count: 2},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: topic, Err: kerr.NotLeaderForPartition, Count: 2},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.RebalanceInProgress, Count: 1},
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: dead, Err: kerr.NotEnoughReplicas, Count: 2},
	)
	w.refuse["bad"] = true
	start(t, config(cluster, w, "a"))
	want := sendMoves(t, cluster, 20, 10, func(round int) {
		switch round {
		case 3:
			cluster.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("cut"), true })
			cluster.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("cut"), true })
		case 5:
			cluster.RehashCoordinators()
			send(t, cluster, "k", message("bad", "e1"))
		}
	})
	for id, moves := range want {
		eventually(t, id, has(w, id, moves...))
	}
	eventually(t, "committed", isCommitted(cluster, 201))
	letters(t, cluster, 1)
}

// sendMoves moves components round and round, each message with one of them.
func sendMoves(t *testing.T, cluster *kfake.Cluster, components, rounds int, between func(round int)) map[string][]string {
	t.Helper()
	want := map[string][]string{}
	for round := range rounds {
		between(round)
		for c := range components {
			id, to := fmt.Sprint("c", c), fmt.Sprint("e", round)
			send(t, cluster, id, message(id, to))
			want[id] = append(want[id], to)
		}
	}
	return want
}

// Members that come and go hand partitions over without
// a loss, and no placement comes back after a later one.
func TestRebalance(t *testing.T) {
	t.Parallel()
	cluster, w := startCluster(t, 4), newWorld()
	start(t, config(cluster, w, "stays"))
	var stop func()
	want := sendMoves(t, cluster, 12, 12, func(round int) {
		if stop != nil {
			stop()
		}
		_, stop = start(t, config(cluster, w, ""))
	})
	for id, moves := range want {
		eventually(t, id, has(w, id, moves...))
	}
	eventually(t, "committed", isCommitted(cluster, 144))
}

// The servers are reached by TLS with roots of one's own, and by name and password.
func TestSecuredServers(t *testing.T) {
	t.Parallel()
	issuer := httptest.NewTLSServer(nil) // has a certificate for 127.0.0.1
	t.Cleanup(issuer.Close)
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1, kfake.TLS(&tls.Config{Certificates: issuer.TLS.Certificates}), kfake.EnableSASL(), kfake.Superuser(mechanism, "agent", "right"))
			roots := x509.NewCertPool()
			roots.AddCert(issuer.Certificate())
			cfg := config(cluster, newWorld(), "")
			states := make(chan string, 10)
			cfg.TLS, cfg.Mechanism, cfg.Username, cfg.Password = &tls.Config{RootCAs: roots}, mechanism, "agent", "right"
			w := newWorld()
			cfg.Carry = w.carry
			start(t, cfg)
			client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DialTLSConfig(cfg.TLS), kgo.SASL(plainOrScram(mechanism)))
			must(t, err)
			defer client.Close()
			must(t, client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: message("c1", "e1")}).FirstErr())
			eventually(t, "carried", has(w, "c1", "e1"))

			wrong := cfg
			wrong.Group, wrong.Password = "other", "wrong-password"
			wrong.State = func(text string) { states <- text }
			start(t, wrong)
			select {
			case state := <-states:
				if state == "ok" || strings.Contains(state, "wrong-password") {
					t.Errorf("with a wrong password the state is %q", state)
				}
			case <-time.After(30 * time.Second):
				t.Error("with a wrong password nothing is said")
			}
		})
	}
}

func plainOrScram(mechanism string) sasl.Mechanism {
	switch mechanism {
	case "PLAIN":
		return plain.Auth{User: "agent", Pass: "right"}.AsMechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: "agent", Pass: "right"}.AsSha256Mechanism()
	}
	return scram.Auth{User: "agent", Pass: "right"}.AsSha512Mechanism()
}
