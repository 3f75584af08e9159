// Package kafka takes allocations from a topic of Kafka or Redpanda, and says
// when they are done with: an offset is committed only after the effect of its
// message, and of every message before it in the partition, is durable. So a
// message may come twice, after a crash or a rebalance, and what carries it out
// has to compare before it writes; none is lost.
//
// Between two commits no component is carried out twice. That is what keeps a
// message that comes again from undoing a later one, and it is easy to break:
// see batchOf.
package kafka
