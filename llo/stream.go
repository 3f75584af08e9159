package llo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/watch"
)

// maxEvent bounds one event of a watch, in bytes; etcd takes no object above 2 MiB.
const maxEvent = 16 << 20

// stream is an open watch. It implements watch.Interface.
type stream struct {
	body   io.ReadCloser
	sight  func(text string) (*sighting, error)
	events chan watch.Event
	stop   func()
	ended  chan struct{}
}

// newStream reads body in a goroutine of its own, counted in running, which ends
// when body does or after Stop.
func newStream(body io.ReadCloser, running *sync.WaitGroup, sight func(string) (*sighting, error)) *stream {
	s := &stream{body: body, sight: sight, events: make(chan watch.Event, 64), ended: make(chan struct{})}
	s.stop = sync.OnceFunc(func() {
		close(s.ended)
		body.Close() // nothing was written; what remains unread is not wanted
	})
	running.Go(s.read)
	return s
}

// Stop implements watch.Interface.
func (s *stream) Stop() { s.stop() }

// ResultChan implements watch.Interface.
func (s *stream) ResultChan() <-chan watch.Event { return s.events }

func (s *stream) read() {
	defer s.stop()
	defer close(s.events)
	lines := bufio.NewReaderSize(s.body, 32<<10)
	for {
		text, err := frame(lines)
		if err != nil && !errors.Is(err, errNotJSON) {
			return // cut: the Reflector resumes where it was
		}
		var event watch.Event
		if err == nil {
			event, err = s.event(text)
		}
		if err != nil {
			// What cannot be read is not passed over: the list is taken anew.
			event = watch.Event{Type: watch.Error, Object: unreadable(err)}
		}
		select {
		case s.events <- event:
		case <-s.ended:
			return
		}
		if event.Type == watch.Error {
			return
		}
	}
}

// frame reads one JSON document. The API server writes each on a line of its own;
// one that is spread over several is put together.
func frame(lines *bufio.Reader) (string, error) {
	var text []byte
	for {
		part, err := lines.ReadSlice('\n')
		text = append(text, part...)
		if len(text) > maxEvent {
			return "", fmt.Errorf("%w: an event of more than %d bytes", errNotJSON, maxEvent)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
		if err != nil {
			continue
		}
		document := string(text)
		begin := space(document, 0)
		if begin == len(document) {
			continue
		}
		if _, err := skip(document, begin); !errors.Is(err, io.ErrUnexpectedEOF) {
			return document, err
		}
	}
}

func (s *stream) event(text string) (watch.Event, error) {
	var event watch.Event
	var object string
	err := members(text, func(key, value string) error {
		switch plain(key) {
		case "type":
			event.Type = watch.EventType(plain(value))
		case "object":
			object = value
		}
		return nil
	})
	if err != nil {
		return event, err
	}
	switch event.Type {
	case watch.Added, watch.Modified, watch.Deleted:
		event.Object, err = s.sight(object)
	case watch.Bookmark:
		event.Object, err = sightBookmark(object)
	case watch.Error:
		status := &metav1.Status{}
		err = json.Unmarshal([]byte(object), status)
		event.Object = status
	default:
		err = fmt.Errorf("%w: event of type %q", errNotJSON, event.Type)
	}
	return event, err
}

func sightBookmark(text string) (*sighting, error) {
	s := &sighting{bookmark: true}
	metadata, err := member(text, "metadata")
	if err != nil {
		return nil, err
	}
	version, err := member(metadata, "resourceVersion")
	s.ResourceVersion = plain(version)
	if err != nil || s.ResourceVersion == "" {
		return nil, errors.Join(errNotJSON, err)
	}
	annotations, err := member(metadata, "annotations")
	if err == nil && annotations != "" {
		end, _ := member(annotations, metav1.InitialEventsAnnotationKey) // null: none are there
		s.complete = plain(end) == "true"
	}
	return s, err
}

func unreadable(err error) *metav1.Status {
	return &metav1.Status{
		Status: metav1.StatusFailure, Code: 500, Reason: metav1.StatusReasonInternalError,
		Message: "read an event of the watch: " + err.Error(),
	}
}
