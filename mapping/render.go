package mapping

import (
	"errors"

	"github.com/google/cel-go/common/types/ref"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Render makes the objects of a component; those that name no namespace of their own are in the one
// given. Problems are an *Error; the first one found is returned, what is missing before what is wrong.
func (s *Set) Render(in Input, namespace string) (Rendered, error) {
	return s.render(&in, namespace, nil)
}

func (s *Set) render(in *Input, namespace string, trace func(*expression, ref.Val, error)) (Rendered, error) {
	if err := placed(in); err != nil {
		return Rendered{}, err
	}
	e := &evaluation{variables: variablesOf(in, namespace), trace: trace}
	m, err := s.choose(in, e)
	if err != nil {
		return Rendered{}, ofComponent(err, in)
	}
	r, err := m.render(e, in, namespace)
	if err != nil {
		return Rendered{}, ofComponent(err, in)
	}
	return r, nil
}

// placed tells whether there is an element to render for.
func placed(in *Input) error {
	elements := in.Component.Links(attrElement)
	switch {
	case len(elements) == 0:
		return &Error{
			Entity: in.Component.ID, Field: attrElement, Reason: ReasonUnplaced,
			Message: "the component is not placed on an element", Err: ErrPending,
		}
	case gone(in.Element):
		return missing(elements[0], attrElement)
	}
	return nil
}

// ofComponent completes an error that names no entity.
func ofComponent(err error, in *Input) error {
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Entity: in.Component.ID, Reason: ReasonExpressionFailed, Message: safeCause(err), Err: ErrInvalid}
	}
	if e.Entity != "" {
		return e
	}
	completed := *e
	completed.Entity = in.Component.ID
	return &completed
}

func (m *definition) render(e *evaluation, in *Input, namespace string) (Rendered, error) {
	e.use(m.lets)
	if err := m.ready(e, in); err != nil {
		return Rendered{}, err
	}
	r := Rendered{Mapping: m.name, Orphan: m.orphan}
	for _, t := range m.objects {
		o, err := m.object(t, e, in, namespace)
		if err != nil {
			return Rendered{}, err
		}
		if o == nil {
			continue
		}
		for _, before := range r.Objects {
			if before.GroupVersionKind() == o.GroupVersionKind() && before.GetNamespace() == o.GetNamespace() && before.GetName() == o.GetName() {
				return Rendered{}, m.invalid(ReasonDuplicateObject, "it renders "+o.GetKind()+" "+o.GetName()+" twice")
			}
		}
		r.Objects = append(r.Objects, o)
	}
	if len(r.Objects) == 0 {
		return Rendered{}, m.invalid(ReasonNoObjects, "it renders nothing for this component")
	}
	var err error
	if r.Warnings, err = m.warn(e); err != nil {
		return Rendered{}, err
	}
	hash, size, err := hashOf(r.Objects)
	if err != nil {
		return Rendered{}, err
	}
	if size > maxRendered {
		return Rendered{}, m.invalid(ReasonTooLarge, "what it renders is larger than 1 MiB")
	}
	r.Hash = hash
	return r, nil
}

// maxRendered bounds the JSON of what a component becomes; a cluster takes no more.
const maxRendered = 1 << 20

func (m *definition) invalid(reason, message string) *Error {
	return &Error{Reason: reason, Message: `mapping "` + m.name + `": ` + message, Err: ErrInvalid}
}

// ready checks what the mapping needs and requires.
func (m *definition) ready(e *evaluation, in *Input) error {
	for _, name := range m.needs {
		if name == portsVariable {
			for _, port := range e.ports() {
				if port.missing != "" {
					return missing(port.entity.ID, port.missing)
				}
			}
			continue
		}
		if entity, isEntity := e.variables.variable(name).(*entityValue); isEntity && entity.missing != "" {
			return missing(entity.entity.ID, entity.missing)
		}
	}
	for _, r := range m.requires {
		if err := r.check(e, in); err != nil {
			return err
		}
	}
	return nil
}

func (r requirement) check(e *evaluation, in *Input) error {
	holds, err := r.that.holds(e)
	if err != nil || holds {
		return err
	}
	message, _, err := r.message.build(e)
	if err != nil {
		return err
	}
	text, _ := message.(string)
	kind := ErrInvalid
	if r.pending {
		kind = ErrPending
	}
	return &Error{Entity: in.Component.ID, Field: r.field, Reason: r.reason, Message: line(text, maxMessage), Err: kind}
}

// object renders one object; nil if it is not wanted.
func (m *definition) object(t objectTemplate, e *evaluation, in *Input, namespace string) (*unstructured.Unstructured, error) {
	if t.when != nil {
		if wanted, err := t.when.holds(e); err != nil || !wanted {
			return nil, err
		}
	}
	value, _, err := t.body.build(e)
	if err != nil {
		return nil, err
	}
	content, _ := value.(map[string]any)
	metadata, isMap := content["metadata"].(map[string]any)
	name, isText := metadata["name"].(string)
	if !isMap || !isText || name == "" {
		return nil, m.invalid(ReasonInvalidName, t.kind.Kind+" has no name")
	}
	if !isObjectName(name) {
		return nil, m.invalid(ReasonInvalidName, t.kind.Kind+" "+quoted(name)+" is no legal name")
	}
	if own, isText := metadata["namespace"].(string); !isText || own == "" {
		metadata["namespace"] = namespace
	} else if len(validation.IsDNS1123Label(own)) > 0 {
		return nil, m.invalid(ReasonInvalidName, "the namespace "+quoted(own)+" is no legal name")
	}
	if err := m.stamp(metadata, t, in); err != nil {
		return nil, err
	}
	return &unstructured.Unstructured{Object: content}, nil
}

// isObjectName is what validation.IsDNS1123Subdomain says, without its regular expression.
func isObjectName(name string) bool {
	if len(name) > maxNameLength {
		return false
	}
	before := byte('.') // a letter or a digit must follow a dot
	for i := range len(name) {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
		case c == '.' && before != '.' && before != '-', c == '-' && before != '.':
		default:
			return false
		}
		before = name[i]
	}
	return before != '.' && before != '-'
}

// stamp writes the annotations by which an object is found again.
func (m *definition) stamp(metadata map[string]any, t objectTemplate, in *Input) error {
	for _, field := range []string{"labels", "annotations"} {
		entries, isMap := metadata[field].(map[string]any)
		if metadata[field] != nil && !isMap {
			return m.invalid(ReasonInvalidValue, "metadata."+field+" is "+typeName(metadata[field])+", not a map")
		}
		for name := range entries {
			if reserved(name) {
				return m.invalid(ReasonReservedName, "metadata."+field+" holds a name of the agent's own, "+ownPrefix+"…")
			}
		}
	}
	annotations, isMap := metadata["annotations"].(map[string]any)
	if !isMap {
		annotations = make(map[string]any, 5)
		metadata["annotations"] = annotations
	}
	annotations[annotationEntity] = string(in.Component.ID)
	annotations[annotationOrigin] = originBroker
	annotations[annotationElement] = string(in.Element.ID)
	annotations[annotationMapping] = m.name
	if t.id != "" {
		annotations[annotationMapping] = m.name + "/" + t.id
	}
	if service := serviceOf(&in.Component); service != "" {
		annotations[annotationService] = service
	}
	return nil
}

// warn computes the warnings: texts, or lists of texts.
func (m *definition) warn(e *evaluation) ([]string, error) {
	var warnings []string
	for _, t := range m.warnings {
		value, present, err := t.build(e)
		if err != nil {
			return nil, err
		}
		if !present {
			continue
		}
		list, isList := value.([]any)
		if !isList {
			list = []any{value}
		}
		for _, item := range list {
			if text, isText := item.(string); isText {
				warnings = append(warnings, line(text, maxMessage))
			}
		}
	}
	return warnings, nil
}
