package llo

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
)

// list and watch are what the Reflector calls. Both take every object of the kind,
// ours or not, since a foreign one may hold a name that is wanted.

func (f *follower) list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	path, err := f.path()
	if err != nil {
		return nil, err
	}
	body, err := f.kind.cluster.conn().do(ctx, request{
		verb: "list", kind: f.kind.gvk.Kind, path: path, options: &options,
	})
	if err != nil {
		return nil, err
	}
	return f.kind.cluster.sightList(f.kind.gvk, string(body))
}

func (f *follower) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	path, err := f.path()
	if err != nil {
		return nil, err
	}
	options.Watch = true
	body, err := f.kind.cluster.conn().open(ctx, request{
		verb: "watch", kind: f.kind.gvk.Kind, path: path, options: &options,
	})
	initial := options.SendInitialEvents != nil
	switch {
	case err == nil && !initial:
		f.follows()
	case err != nil && !initial && ctx.Err() == nil:
		f.note(classify("watch", f.key(), err, false, nil))
	}
	if err != nil && (net.IsConnectionRefused(err) || initial && apierrors.IsTooManyRequests(err)) {
		// The Reflector would wait for up to a minute here and not see ctx end. As an
		// unknown error it makes it give up, or try a plain list and give up, and run
		// waits.
		return nil, errors.New(err.Error())
	}
	if err != nil {
		return nil, err
	}
	return newStream(body, &f.streams, func(text string) (*sighting, error) {
		return f.kind.cluster.sight(f.kind.gvk, text)
	}), nil
}

func (f *follower) path() ([]string, error) {
	r := f.kind.known()
	if r == nil {
		return nil, f.kind.unclear("the resource was lost")
	}
	return r.path(f.kind.gvk, f.namespace, ""), nil
}

// sightList reads a page of a list. The items of a typed list carry no kind.
func (c *Cluster) sightList(gvk schema.GroupVersionKind, text string) (*sightings, error) {
	page := &sightings{}
	err := members(text, func(key, value string) error {
		switch plain(key) {
		case "metadata":
			return members(value, func(key, value string) error {
				switch plain(key) {
				case "resourceVersion":
					page.ResourceVersion = plain(value)
				case "continue":
					page.Continue = plain(value)
				}
				return nil
			})
		case "items":
			if value == "null" {
				return nil
			}
			return elements(value, func(item string) error {
				s, err := c.sight(gvk, item)
				page.Items = append(page.Items, s)
				return err
			})
		}
		return nil
	})
	if err == nil && page.ResourceVersion == "" {
		err = errNotJSON
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of %s: %w", gvk.Kind, err)
	}
	return page, nil
}
