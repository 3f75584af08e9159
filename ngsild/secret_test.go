package ngsild

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func (k *kept) expectSecrets(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, k.Secrets()); diff != "" {
		t.Errorf("accepted secrets (-want +got):\n%s", diff)
	}
}

func TestSecretIsUnknownAtFirst(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.expectSecrets(t)
	k.broker.refuse["GET"] = "503 starting"
	_, _ = k.Check(t.Context())
	k.expectSecrets(t)
	k.secret = "configured-and-long-enough"
	_, _ = k.Check(t.Context())
	k.expectSecrets(t, k.secret)
}

// TestRotation: the older secret counts until no subscription holds it.
func TestRotation(t *testing.T) {
	t.Parallel()
	k := settled(t)
	k.expectSecrets(t, randomSecret)
	k.secret = "the-next-secret-of-all"
	k.broker.before = func(method string) {
		if method == "PATCH" {
			k.expectSecrets(t, k.secret, randomSecret)
		}
	}
	expect(t, k.check(t), true, true, "repaired: header X-Hlo-Agent-Secret", "repaired: header X-Hlo-Agent-Secret")
	k.expectSecrets(t, k.secret, randomSecret)
	expect(t, k.check(t), false, true, "active", "active")
	k.expectSecrets(t, k.secret)
	for _, id := range []string{componentsID, elementsID} {
		want := []KeyValue{{SecretHeader, k.secret}}
		if diff := cmp.Diff(want, k.broker.get(id).Notification.Endpoint.ReceiverInfo); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
}

// TestRotatedWhileDown: what the subscriptions still hold is accepted until
// they are repaired.
func TestRotatedWhileDown(t *testing.T) {
	t.Parallel()
	k := settled(t)
	k.secret = "the-next-secret-of-all"
	k.Keeper = k.another(bytes.NewReader(nil))
	k.check(t)
	k.expectSecrets(t, k.secret, randomSecret)
	k.check(t)
	k.expectSecrets(t, k.secret)
}

// TestShortSecretIsNotTakenOver: a value that could be guessed is replaced.
func TestShortSecretIsNotTakenOver(t *testing.T) {
	t.Parallel()
	k := settled(t)
	for _, id := range []string{componentsID, elementsID} {
		k.broker.change(id, func(s *Subscription) { s.Notification.Endpoint.ReceiverInfo[0].Value = "short" })
	}
	k.Keeper = k.another(bytes.NewReader(bytes.Repeat([]byte{0xab}, 32)))
	k.check(t)
	k.expectSecrets(t, strings.Repeat("ab", 32))
}

// TestReread: an agent that does not keep the subscriptions accepts what they
// hold, and what they held until a moment ago.
func TestReread(t *testing.T) {
	t.Parallel()
	k := settled(t)
	other := k.another(bytes.NewReader(nil)) // somebody else's
	expect := func(want ...string) {
		t.Helper()
		if err := other.Reread(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, other.Secrets()); diff != "" {
			t.Errorf("accepted secrets (-want +got):\n%s", diff)
		}
	}
	hold := func(id, secret string) {
		k.broker.change(id, func(s *Subscription) { s.Notification.Endpoint.ReceiverInfo[0].Value = secret })
	}
	const next = "the-next-secret-of-all"
	expect(randomSecret)
	hold(componentsID, next)
	expect(next, randomSecret)
	hold(elementsID, next)
	expect(next, randomSecret)
	k.now = k.now.Add(underWay)
	expect(next)
	k.secret = "configured-and-not-held-yet"
	expect(k.secret, next)
	k.broker.did()
	k.expectWrites(t)
}

func TestSecretErrors(t *testing.T) {
	t.Parallel()
	k := newKept(t)
	k.Keeper = k.another(bytes.NewReader([]byte("too few")))
	if _, err := k.Check(t.Context()); err == nil || err.Error() != "make a notification secret: unexpected EOF" {
		t.Errorf("got %v", err)
	}
	k.Keeper = NewKeeper(KeeperConfig{Client: k.broker.client(), Want: wantedSubscriptions(),
		Secret: func(context.Context) (string, error) { return "", errors.New("open file: gone") }})
	if _, err := k.Check(t.Context()); err == nil || err.Error() != "notification secret: open file: gone" {
		t.Errorf("got %v", err)
	}
	k.expectWrites(t)
}

func TestRandomSecretsDiffer(t *testing.T) {
	t.Parallel()
	a, errA := newSecret(nil)
	b, errB := newSecret(nil)
	if errA != nil || errB != nil || a == b || len(a) != 64 {
		t.Errorf("%q, %q, %v, %v", a, b, errA, errB)
	}
}
