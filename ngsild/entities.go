package ngsild

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Entity reads one entity, whole, also from another domain's broker if ours
// forwards the request. ErrNotFound proves that the broker holds no such entity
// as far as one answer can; see semantics of absence in the package comment. An
// attribute that is malformed in the answer is marked and does not fail it.
func (c *Client) Entity(ctx context.Context, id EntityID) (Entity, error) {
	doing := fmt.Sprintf("get entity %s", id)
	got, err := c.call(ctx, request{
		verb: "get_entity", doing: doing, method: http.MethodGet, path: "/entities/" + segment(string(id)),
	})
	if err != nil {
		return Entity{}, notFound(err, "Entity Not Found")
	}
	entities, errs := DecodeEntities(got.body)
	switch {
	case len(errs) > 0 && errs[0].(EntityError).Index >= 0:
		return Entity{}, fmt.Errorf("%s: %w: %w", doing, ErrInvalid, errs[0])
	case len(errs) > 0:
		return Entity{}, fmt.Errorf("%s: %w: the answer is no entity: %w", doing, ErrRetry, errs[0])
	case len(entities) != 1 || entities[0].ID != id:
		return Entity{}, fmt.Errorf("%s: %w: the answer is another entity", doing, ErrRetry)
	}
	return entities[0], nil
}

// notFound turns the one answer that proves absence into ErrNotFound.
func notFound(err error, titles ...string) error {
	var problem *ProblemError
	if errors.As(err, &problem) && problem.resourceNotFound(titles...) {
		problem.kind = ErrNotFound
	}
	return err
}

// Merge changes attributes of one entity and leaves its others (NGSI-LD 1.6.1,
// 5.6.17, PATCH /entities/{id}). attrs are normalized attributes; mind that
// Orion-LD merges inside JSON values as well. No attributes: nothing is sent.
// Success proves nothing on a distributed broker, which answers 204 for an
// entity that does not exist.
func (c *Client) Merge(ctx context.Context, id EntityID, attrs map[string]any) error {
	if len(attrs) == 0 {
		return nil
	}
	_, err := c.call(ctx, request{
		verb: "merge_entity", doing: fmt.Sprintf("merge entity %s", id), method: http.MethodPatch,
		path: "/entities/" + segment(string(id)), body: attrs,
	})
	return notFound(err, "Entity Not Found", "Entity does not exist", "Entity not found")
}

// CreateEntity makes an entity that only this program writes: for entities of
// others Merge is the way, since a create says nothing about what was there.
// attrs are normalized attributes. ErrInvalid if the id is taken.
func (c *Client) CreateEntity(ctx context.Context, id EntityID, typ string, attrs map[string]any) error {
	body := map[string]any{"id": id, "type": typ}
	for name, a := range attrs {
		body[name] = a
	}
	_, err := c.call(ctx, request{
		verb: "create_entity", doing: fmt.Sprintf("create entity %s", id), method: http.MethodPost, path: "/entities", body: body,
	})
	return err
}

// DeleteEntity deletes an entity. ErrNotFound if there is none of this id.
func (c *Client) DeleteEntity(ctx context.Context, id EntityID) error {
	_, err := c.call(ctx, request{
		verb: "delete_entity", doing: fmt.Sprintf("delete entity %s", id), method: http.MethodDelete, path: "/entities/" + segment(string(id)),
	})
	return notFound(err, "Entity Not Found", "Entity does not exist", "Entity not found")
}
