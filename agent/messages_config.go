package agent

import (
	"fmt"
	"os"

	"github.com/hlo-agent/hlo-agent/allocation/kafka"
)

// validateKafka reports what is wrong with the settings of the messages.
func (c *Config) validateKafka(bad func(name, format string, args ...any)) {
	if c.KafkaReset != "earliest" && c.KafkaReset != "latest" {
		bad("AUTO_OFFSET_RESET", "%q must be earliest or latest", c.KafkaReset)
	}
	switch c.KafkaMechanism {
	case "":
		if c.KafkaUsername != "" || c.KafkaPasswordFile != "" {
			bad("KAFKA_SASL_MECHANISM", "must be set where KAFKA_USERNAME or KAFKA_PASSWORD_FILE is")
		}
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		if c.KafkaUsername == "" || c.KafkaPasswordFile == "" {
			bad("KAFKA_SASL_MECHANISM", "needs KAFKA_USERNAME and KAFKA_PASSWORD_FILE too")
		}
	default:
		bad("KAFKA_SASL_MECHANISM", "%q must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", c.KafkaMechanism)
	}
	if c.KafkaDeadLetter != "" && c.KafkaDeadLetter == c.KafkaTopic {
		bad("DEAD_LETTER_TOPIC", "must not be CONSUMER_TOPIC")
	}
}

// kafka says where messages come from; who carries them out is left open.
func (c *Config) kafka() (kafka.Config, error) {
	k := kafka.Config{
		Servers: c.KafkaServers, Group: c.KafkaGroup, Topic: c.KafkaTopic, DeadLetter: c.KafkaDeadLetter,
		Latest: c.KafkaReset == "latest", Mechanism: c.KafkaMechanism, Username: c.KafkaUsername,
	}
	if k.DeadLetter == "" {
		k.DeadLetter = k.Topic + ".dead-letter"
	}
	if c.KafkaTLS || c.KafkaCAFile != "" {
		transport, err := rootsTransport("KAFKA_CA_FILE", c.KafkaCAFile)
		if err != nil {
			return k, err
		}
		k.TLS = transport.TLSClientConfig
	}
	if c.KafkaPasswordFile != "" {
		password, err := readSecret("KAFKA_PASSWORD_FILE", c.KafkaPasswordFile)
		if err != nil {
			return k, err
		}
		k.Password = Secret(password)
	}
	host, err := os.Hostname()
	if err != nil {
		return k, fmt.Errorf("the name of this host, by which the consumer group knows us: %w", err)
	}
	k.Instance = c.AgentID + "." + host
	return k, nil
}
