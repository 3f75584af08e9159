package mapping

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// entityValue is an entity as expressions see it: a map from short attribute names to values, with id
// and type. An attribute that is null or blank is absent. Nothing is converted before it is asked for.
//
// Of an entity that is linked but not there the id can be read; anything else is an error that says so.
// Thus an expression waits for the entity exactly when it needs it.
type entityValue struct {
	entity *ngsild.Entity
	kind   entityKind
	// missing is the attribute that leads to an entity that is not there; empty if it is there, or if
	// nothing leads to it.
	missing string
}

var _ traits.Mapper = (*entityValue)(nil)

// noEntity stands for what is not linked at all: every attribute is absent.
func noEntity(kind entityKind) entityValue {
	return entityValue{entity: &ngsild.Entity{}, kind: kind}
}

// raw is an attribute as it was decoded; nil if it is absent.
func (v *entityValue) raw(name string) (any, error) {
	switch name {
	case "id":
		if v.entity.ID != "" {
			return string(v.entity.ID), nil
		}
	case "type":
		if v.entity.Type != "" {
			return v.entity.Type, nil
		}
	}
	if v.missing != "" {
		return nil, missing(v.entity.ID, v.missing)
	}
	value := v.entity.Attrs[name].Value
	if blank(value) && v.kind == portKind {
		value = v.entity.Attrs[portAlias(name)].Value
	}
	if blank(value) {
		return nil, nil
	}
	return value, nil
}

// Find implements traits.Mapper.
func (v *entityValue) Find(key ref.Val) (ref.Val, bool) {
	name, isText := key.(types.String)
	if !isText {
		return types.MaybeNoSuchOverloadErr(key), false
	}
	value, err := v.raw(string(name))
	if err != nil {
		return types.WrapErr(err), false
	}
	if value == nil {
		return nil, false
	}
	return adapter{}.NativeToValue(value), true
}

// Get implements traits.Indexer.
func (v *entityValue) Get(key ref.Val) ref.Val {
	value, found := v.Find(key)
	if !found && value == nil {
		return types.WrapErr(errAbsent)
	}
	return value
}

// Contains implements traits.Container.
func (v *entityValue) Contains(key ref.Val) ref.Val {
	value, found := v.Find(key)
	if !found && value != nil {
		return value
	}
	return types.Bool(found)
}

func (v *entityValue) names() []string {
	names := make([]string, 0, len(v.entity.Attrs)+2)
	for name, attribute := range v.entity.Attrs {
		if !blank(attribute.Value) {
			names = append(names, name)
		}
	}
	for _, name := range []string{"id", "type"} {
		if value, err := v.raw(name); value != nil && err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Iterator implements traits.Iterable, in the order of the names.
func (v *entityValue) Iterator() traits.Iterator {
	names := v.names()
	keys := make([]ref.Val, len(names))
	for i, name := range names {
		keys[i] = types.String(name)
	}
	return types.NewRefValList(adapter{}, keys).Iterator()
}

// Size implements traits.Sizer.
func (v *entityValue) Size() ref.Val { return types.Int(len(v.names())) }

// Type implements ref.Val.
func (v *entityValue) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (v *entityValue) Value() any { return v.entity }

// Equal implements ref.Val: entities are equal when their ids are.
func (v *entityValue) Equal(other ref.Val) ref.Val {
	o, isEntity := other.(*entityValue)
	return types.Bool(isEntity && o.entity.ID == v.entity.ID)
}

// ConvertToNative implements ref.Val.
func (v *entityValue) ConvertToNative(to reflect.Type) (any, error) {
	return nil, fmt.Errorf("an entity cannot become %s", to)
}

// ConvertToType implements ref.Val.
func (v *entityValue) ConvertToType(to ref.Type) ref.Val {
	switch to {
	case types.MapType:
		return v
	case types.TypeType:
		return types.MapType
	}
	return types.NewErr("an entity cannot become %s", to.TypeName())
}
