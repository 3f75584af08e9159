package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Config says where messages come from and who carries them out.
type Config struct {
	Servers []string // host:port
	Group   string
	// Instance is the member's name in the group. Who comes back under it, after a crash
	// too, takes over at once; one that stays away is waited for, 10 s. Empty: no name.
	Instance   string
	Topic      string
	DeadLetter string      // topic of what cannot be carried out
	Latest     bool        // begin at the end of a topic that the group never read, instead of at its beginning
	TLS        *tls.Config // nil: without
	Mechanism  string      // "", PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	Username   string
	Password   ngsild.Secret

	// Carry makes the effect of allocations durable and returns an error for each:
	// nil when it is, or need not be; one that is ErrRefused when it never will be,
	// whose text becomes the reason in the dead-letter topic; any other when it is to
	// be tried again. No component occurs twice in one call. Calls for several
	// partitions run at once, and end soon after ctx does.
	Carry func(ctx context.Context, batch []allocation.Allocation) []error
	// Count hears of every allocation: carried, refused or retried; and of messages
	// that are unreadable.
	Count func(result string)
	// State hears "ok", or what keeps messages from being read, when that changes.
	State func(text string)
	Log   *slog.Logger
}

// ErrRefused marks an allocation that no repetition can make possible.
var ErrRefused = errors.New("cannot be carried out")

// Consumer is one member of the group. Make it with New, and Run it once.
type Consumer struct {
	cfg     Config
	options []kgo.Opt
	client  *kgo.Client // of Run; callbacks may come before it is set

	mu         sync.Mutex
	partitions map[int32]*partition
	state      string
}

// New makes a consumer; nothing is sent before Run.
func New(cfg Config) (*Consumer, error) {
	c := &Consumer{cfg: cfg, partitions: map[int32]*partition{}}
	begin := kgo.NewOffset().AtStart()
	if cfg.Latest {
		begin = kgo.NewOffset().AtEnd()
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(cfg.Servers...), kgo.ClientID("hlo-agent"),
		kgo.ConsumerGroup(cfg.Group), kgo.ConsumeTopics(cfg.Topic), kgo.ConsumeResetOffset(begin),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.AllowAutoTopicCreation(),
		kgo.OnPartitionsAssigned(c.assigned), kgo.OnPartitionsRevoked(c.revoked), kgo.OnPartitionsLost(c.revoked),
		kgo.SessionTimeout(10 * time.Second), kgo.HeartbeatInterval(2 * time.Second),
		kgo.RetryTimeout(10 * time.Second), kgo.MetadataMinAge(250 * time.Millisecond),
	}
	if cfg.Instance != "" {
		options = append(options, kgo.InstanceID(cfg.Instance))
	}
	if cfg.TLS != nil {
		options = append(options, kgo.DialTLSConfig(cfg.TLS))
	}
	mechanism, err := mechanism(&cfg)
	if err != nil {
		return nil, err
	}
	if mechanism != nil {
		options = append(options, kgo.SASL(mechanism))
	}
	if err := kgo.ValidateOpts(options...); err != nil {
		return nil, fmt.Errorf("make a client for Kafka: %w", err)
	}
	c.options = options
	return c, nil
}

func mechanism(cfg *Config) (sasl.Mechanism, error) {
	user, password := cfg.Username, string(cfg.Password)
	switch cfg.Mechanism {
	case "":
		return nil, nil
	case "PLAIN":
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("%q is no SASL mechanism that is known here", cfg.Mechanism)
}

// Run takes messages until ctx ends, and then leaves the group. What is under
// way is broken off and comes again, here or at another member.
func (c *Consumer) Run(ctx context.Context) (err error) {
	if c.client, err = kgo.NewClient(c.options...); err != nil { // joins the group
		return fmt.Errorf("make a client for Kafka: %w", err)
	}
	defer c.client.Close()
	defer c.client.AllowRebalance()
	defer c.end(nil)
	for ctx.Err() == nil {
		polling, cancel := context.WithTimeout(ctx, idle)
		fetches := c.client.PollRecords(polling, 1000)
		cancel()
		if fetches.IsClientClosed() {
			return nil
		}
		c.look(ctx, fetches)
		fetches.EachPartition(func(f kgo.FetchTopicPartition) { c.add(f.Partition, f.HighWatermark, f.Records) })
		c.client.AllowRebalance()
	}
	return nil
}

// idle is after how long without a message the servers are asked whether they are there.
const idle = 5 * time.Second

// look finds out whether messages can be read. A client that cannot get in
// tells nobody, so it is asked.
func (c *Consumer) look(ctx context.Context, fetches kgo.Fetches) {
	state := "ok"
	fetches.EachError(func(_ string, number int32, err error) {
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			asking, cancel := context.WithTimeout(ctx, idle)
			defer cancel()
			if err := c.client.Ping(asking); err != nil {
				state = err.Error()
			}
		default:
			state = fmt.Sprintf("partition %d of %s: %v", number, c.cfg.Topic, err)
		}
	})
	if ctx.Err() == nil {
		c.say(state)
	}
}

func (c *Consumer) say(state string) {
	c.mu.Lock()
	changed := state != c.state
	c.state = state
	c.mu.Unlock()
	if !changed {
		return
	}
	c.cfg.State(state)
	if state != "ok" {
		c.cfg.Log.Warn("messages cannot be read for now", "err", state)
	}
}

// Lag is how many messages of our partitions are known and not done with.
func (c *Consumer) Lag() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var lag int64
	for _, p := range c.partitions {
		lag += p.lag()
	}
	return lag
}

func (c *Consumer) add(number int32, end int64, records []*kgo.Record) {
	c.mu.Lock()
	p := c.partitions[number]
	c.mu.Unlock()
	if p != nil { // else it was taken from us since
		p.add(end, records)
	}
}

func (c *Consumer) assigned(_ context.Context, client *kgo.Client, by map[string][]int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, number := range by[c.cfg.Topic] {
		c.partitions[number] = startPartition(c, number)
	}
	client.ResumeFetchPartitions(by)
}

// revoked ends the work on partitions before others may begin theirs.
func (c *Consumer) revoked(_ context.Context, _ *kgo.Client, by map[string][]int32) {
	c.end(func(number int32) bool {
		for _, n := range by[c.cfg.Topic] {
			if n == number {
				return true
			}
		}
		return false
	})
}

// end stops the partitions that which names, all for nil, and waits for them.
func (c *Consumer) end(which func(int32) bool) {
	c.mu.Lock()
	var ending []*partition
	for number, p := range c.partitions {
		if which == nil || which(number) {
			ending = append(ending, p)
			delete(c.partitions, number)
		}
	}
	c.mu.Unlock()
	for _, p := range ending {
		p.cancel()
	}
	for _, p := range ending {
		<-p.done
	}
}
