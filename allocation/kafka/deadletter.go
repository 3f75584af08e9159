package kafka

import (
	"context"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Headers of a message in the dead-letter topic. Its value is a message of the
// same form with the one allocation that could not be carried out, or the
// whole of what could not be read; so it can be sent again as it is.
const (
	HeaderReason    = "hlo-agent-reason"
	HeaderTopic     = "hlo-agent-topic"
	HeaderPartition = "hlo-agent-partition"
	HeaderOffset    = "hlo-agent-offset"
)

// letter is what goes to the dead-letter topic.
type letter struct {
	record *kgo.Record // where it comes from
	value  []byte
	reason string
}

// dead are the letters of a batch that was carried out.
func (b *batch) dead() []letter {
	all := b.unreadable
	for _, i := range b.items {
		if i.refused != nil {
			all = append(all, letter{record: i.record, value: alone(i.message), reason: i.refused.Error()})
		}
	}
	return all
}

// bury writes letters; it returns when the topic has them for certain.
func (p *partition) bury(letters []letter) error {
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	var records []*kgo.Record
	for _, l := range letters {
		records = append(records, &kgo.Record{
			Topic: p.c.cfg.DeadLetter, Key: l.record.Key, Value: l.value,
			Headers: append(l.record.Headers[:len(l.record.Headers):len(l.record.Headers)],
				kgo.RecordHeader{Key: HeaderReason, Value: []byte(l.reason)},
				kgo.RecordHeader{Key: HeaderTopic, Value: []byte(l.record.Topic)},
				kgo.RecordHeader{Key: HeaderPartition, Value: []byte(strconv.Itoa(int(l.record.Partition)))},
				kgo.RecordHeader{Key: HeaderOffset, Value: []byte(strconv.FormatInt(l.record.Offset, 10))}),
		})
	}
	if err := p.c.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	for _, l := range letters {
		p.c.cfg.Log.Error("a message cannot be carried out, see the dead-letter topic",
			"topic", l.record.Topic, "partition", l.record.Partition, "offset", l.record.Offset, "reason", l.reason)
	}
	return nil
}
