package ngsild

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"mime"
	"net/http"
	"sync"
	"time"
)

// Bounds of what the receiver holds, and of the time that it takes: Orion-LD
// waits about 3 s for an answer.
const (
	defaultMaxBytes = 16 << 20
	waitingBytes    = 64 << 20
	waitingBodies   = 8192
	readTime        = 2 * time.Second
	rereadTime      = time.Second // and the least time between two
	decoders        = 2
	relays          = 8 // they wait for somebody else most of the time
)

// ReceiverConfig says whose notifications are taken and where they go. Its
// functions are called from several goroutines.
type ReceiverConfig struct {
	// Secret returns the secrets that count as right. While it returns none, a
	// notification with any is answered, not believed, and reported as
	// Unreadable.
	Secret       func() []string
	SecretHeader string // empty is SecretHeader of this package
	// Reread, if set, is called when a notification carries a secret that does not
	// count, at most once a second, and Secret is asked again after it: the broker
	// may have been given another one by somebody else.
	Reread   func(ctx context.Context)
	MaxBytes int64 // of one body; 0 is 16 MiB
	// Known reports whether a subscription is ours; nil knows all.
	Known func(subscriptionID string) bool
	// Sink takes a notification; it should not block for long.
	Sink func(Notification)
	// Relay, if set, is offered each body before it is decoded, and may hand it to
	// somebody else, which takes its time. It keeps nothing of it.
	Relay func(body []byte) (taken bool)
	// Unreadable hears of a notification whose content is lost and must be had
	// by listing.
	Unreadable func(reason string)
	// Count, if set, hears of every request once, with one of: "accepted",
	// "unreadable", "too_large", "overload", "media_type", "incomplete",
	// "unknown_subscription", "early", "unauthorized", "not_found", "method".
	Count func(result string)
}

// Receiver is the webhook: an http.Handler for POST /notify. Strangers get 404,
// 405 or 401. Once the secret is right the answer is 204 whatever the body is,
// because the broker takes any other for a failure and pauses the subscription
// after three; what cannot be used leads to Unreadable instead. Bodies are
// decoded after the answer, by Run.
type Receiver struct {
	cfg     ReceiverConfig
	waiting chan []byte
	bodies  bodies

	rereading chan struct{} // holds one while Reread is called, and guards reread
	reread    time.Time     // when Reread was last called
}

// NewReceiver returns a receiver. What it takes waits until Run is called.
func NewReceiver(cfg ReceiverConfig) *Receiver {
	if cfg.SecretHeader == "" {
		cfg.SecretHeader = SecretHeader
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	if cfg.Count == nil {
		cfg.Count = func(string) {}
	}
	return &Receiver{
		cfg:     cfg,
		waiting: make(chan []byte, waitingBodies), rereading: make(chan struct{}, 1),
		bodies: bodies{max: cfg.MaxBytes, limit: max(waitingBytes, 2*cfg.MaxBytes)},
	}
}

// ServeHTTP answers one notification. It reads the body, for at most 2 s, and
// decodes nothing.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	secrets := r.cfg.Secret()
	status, result := r.refuse(w, req, secrets)
	if status == http.StatusUnauthorized && r.again(req) {
		secrets = r.cfg.Secret()
		status, result = r.refuse(w, req, secrets)
	}
	if status != 0 {
		r.cfg.Count(result)
		w.WriteHeader(status)
		return
	}
	// Not every ResponseWriter has deadlines; the server's own holds then.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTime))
	lost := "early"
	if len(secrets) > 0 {
		lost = r.take(req)
	}
	if lost != "" {
		// The broker sends all of the body before it listens. What is in it does
		// not matter, nor whether it comes.
		_, _ = io.Copy(io.Discard, req.Body)
	}
	// net/http adds the Date, without which Orion-LD takes a 204 for a failure.
	w.WriteHeader(http.StatusNoContent)
	if lost != "" {
		r.cfg.Count(lost)
		r.cfg.Unreadable(lost)
	}
}

// refuse returns the status for a stranger, 0 for the broker.
func (r *Receiver) refuse(w http.ResponseWriter, req *http.Request, secrets []string) (status int, result string) {
	switch {
	case req.URL.Path != "/notify":
		return http.StatusNotFound, "not_found"
	case req.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		return http.StatusMethodNotAllowed, "method"
	case !authorized(req.Header.Values(r.cfg.SecretHeader), secrets):
		return http.StatusUnauthorized, "unauthorized"
	default:
		return 0, ""
	}
}

// Authorized says whether a request bears a secret that is known to be right.
func (r *Receiver) Authorized(req *http.Request) bool {
	secrets := r.cfg.Secret()
	return len(secrets) > 0 && authorized(req.Header.Values(r.cfg.SecretHeader), secrets)
}

// authorized compares in constant time, lengths included. As long as our own
// secret is not known, any may be the right one.
func authorized(given, secrets []string) bool {
	if len(secrets) == 0 {
		return len(given) > 0
	}
	right := 0
	for _, g := range given {
		sum := sha256.Sum256([]byte(g))
		for _, secret := range secrets {
			want := sha256.Sum256([]byte(secret))
			right |= subtle.ConstantTimeCompare(sum[:], want[:])
		}
	}
	return right == 1
}

// again has the secrets read again, unless that was just done or the caller has
// none. Those who come meanwhile wait for it, and look again as well.
func (r *Receiver) again(req *http.Request) bool {
	if r.cfg.Reread == nil || len(req.Header.Values(r.cfg.SecretHeader)) == 0 {
		return false
	}
	select {
	case r.rereading <- struct{}{}:
		defer func() { <-r.rereading }()
	case <-req.Context().Done():
		return false
	}
	if since := time.Since(r.reread); since >= 0 && since < rereadTime {
		return true
	}
	ctx, cancel := context.WithTimeout(req.Context(), rereadTime)
	defer cancel()
	r.cfg.Reread(ctx)
	r.reread = time.Now()
	return true
}

// take reads a body and lets it wait for a decoder, or returns why it is lost.
func (r *Receiver) take(req *http.Request) (lost string) {
	if !readable(req.Header.Get("Content-Type")) {
		return "media_type"
	}
	body, lost := r.bodies.read(req.Body, req.ContentLength)
	if lost != "" {
		return lost
	}
	select {
	case r.waiting <- body:
		return ""
	default:
		r.bodies.release(body)
		return "overload"
	}
}

func readable(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mediaType == "application/json" || mediaType == "application/ld+json")
}

// Run decodes what was taken and hands it to Sink or Relay, from a few goroutines, until
// ctx ends. It returns when the last of them has. Notifications of one writer
// may change places; notifiedAt orders them.
func (r *Receiver) Run(ctx context.Context) error {
	var group sync.WaitGroup
	readers := decoders
	if r.cfg.Relay != nil {
		readers = relays
	}
	for range readers {
		group.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case body := <-r.waiting:
					r.deliver(body)
				}
			}
		})
	}
	group.Wait()
	return nil
}

// Drain does what Run does with all that waits now, beside Run or after it, for as long as
// ctx lasts, and says whether nothing waits any more.
func (r *Receiver) Drain(ctx context.Context) (empty bool) {
	var group sync.WaitGroup
	for range relays {
		group.Go(func() {
			for ctx.Err() == nil {
				select {
				case body := <-r.waiting:
					r.deliver(body)
				default:
					return
				}
			}
		})
	}
	group.Wait()
	return len(r.waiting) == 0
}

func (r *Receiver) deliver(body []byte) {
	defer r.bodies.release(body)
	if r.cfg.Relay != nil && r.cfg.Relay(body) {
		return
	}
	notification, err := DecodeNotification(body)
	switch {
	case err != nil:
		r.cfg.Count("unreadable")
		r.cfg.Unreadable(err.Error())
	case r.cfg.Known != nil && !r.cfg.Known(notification.SubscriptionID):
		r.cfg.Count("unknown_subscription")
	default:
		r.cfg.Count("accepted")
		r.cfg.Sink(notification)
	}
}
