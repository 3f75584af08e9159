package ngsild

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// minSecret is the length below which a secret found in a subscription is not
// taken over as ours.
const minSecret = 16

// configureSecret takes over a configured secret. What was accepted so far stays
// so until the subscriptions are known to hold the new one.
func (k *Keeper) configureSecret(ctx context.Context) error {
	if k.cfg.Secret == nil {
		return nil
	}
	configured, err := k.cfg.Secret(ctx)
	if err != nil {
		return fmt.Errorf("notification secret: %w", err)
	}
	if configured != "" && configured != k.current {
		k.current = configured
		k.accept(append([]string{configured}, k.Secrets()...))
	}
	return nil
}

// underWay is how long a notification may be on its way.
const underWay = 10 * time.Second

// Reread has the secrets that the subscriptions hold now accepted, and writes
// nothing. It is for an agent whose subscriptions somebody else keeps: while that
// one changes the secret, notifications may come with one not heard of here. One
// that no subscription has held for 10 s is forgotten, unless it is the configured
// one. While a check is under way it does nothing, since that knows better.
func (k *Keeper) Reread(ctx context.Context) error {
	if !k.mu.TryLock() {
		return nil
	}
	defer k.mu.Unlock()
	if err := k.configureSecret(ctx); err != nil {
		return err
	}
	found, err := k.read(ctx)
	if err != nil {
		return err
	}
	now, held := k.cfg.Clock(), heldSecrets(found)
	for _, secret := range held {
		k.heldAt[secret] = now
	}
	if k.current != "" {
		held = append([]string{k.current}, held...)
	}
	for _, secret := range k.Secrets() {
		at, was := k.heldAt[secret]
		if !was {
			k.heldAt[secret] = now // and no longer, from now on
		}
		if age := now.Sub(at); !was || age >= 0 && age < underWay {
			held = append(held, secret)
		}
	}
	k.accept(held)
	maps.DeleteFunc(k.heldAt, func(secret string, _ time.Time) bool { return !slices.Contains(k.Secrets(), secret) })
	return nil
}

// settleSecret decides which secret notifications must carry if none is
// configured: the one in use, else the one in our existing subscriptions, else a
// new one. Others that those subscriptions still hold are accepted until they
// are repaired.
func (k *Keeper) settleSecret(found []*Subscription) error {
	held := heldSecrets(found)
	if k.current == "" && len(held) > 0 {
		k.current = held[0]
	}
	if k.current == "" {
		made, err := newSecret(k.cfg.Rand)
		if err != nil {
			return err
		}
		k.current = made
	}
	k.accept(append([]string{k.current}, held...))
	return nil
}

// heldSecrets returns the secrets in subscriptions, in their order.
func heldSecrets(found []*Subscription) []string {
	var held []string
	for _, s := range found {
		if s == nil {
			continue
		}
		for _, header := range s.Notification.Endpoint.ReceiverInfo {
			if strings.EqualFold(header.Key, SecretHeader) && len(header.Value) >= minSecret {
				held = append(held, header.Value)
			}
		}
	}
	return held
}

func newSecret(source io.Reader) (string, error) {
	if source == nil {
		source = rand.Reader
	}
	var bytes [32]byte
	if _, err := io.ReadFull(source, bytes[:]); err != nil {
		return "", fmt.Errorf("make a notification secret: %w", err)
	}
	return hex.EncodeToString(bytes[:]), nil
}

// accept publishes the secrets, the current one first, each once.
func (k *Keeper) accept(secrets []string) {
	var distinct []string
	for _, secret := range secrets {
		if !slices.Contains(distinct, secret) {
			distinct = append(distinct, secret)
		}
	}
	k.secrets.Store(&distinct)
}

// forgetOldSecrets leaves only the current secret once every subscription was
// found to hold it.
func (k *Keeper) forgetOldSecrets(report Report) {
	for _, detail := range report.Details {
		if detail.State != "active" && detail.State != "failing" {
			return
		}
	}
	k.accept([]string{k.current})
}
