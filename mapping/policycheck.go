package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/hlo-agent/hlo-agent/ngsild"
)

// Check refuses objects that the policy does not allow, or that break a rule: an *Error with ErrInvalid and
// ReasonPolicyDenied that names the rule, the object and the field, and no value. Objects inside of objects,
// as a ManifestWork holds them, are checked too. A rule that cannot be computed is broken. The objects are
// not changed.
func (p *Policy) Check(objects []*unstructured.Unstructured) error {
	for _, o := range objects {
		s := search{policy: p}
		s.objects = append(s.objects, found{content: o.Object})
		s.walk(o.Object, 0)
		slices.SortStableFunc(s.objects, compareFound)
		slices.SortStableFunc(s.fields, compareFound)
		if denied := p.judge(&s); denied != nil {
			return denied.of(o)
		}
	}
	return nil
}

// search looks for embedded objects and for fields that rules are about.
type search struct {
	policy  *Policy
	objects []found // the first is the whole
	fields  []found
	path    []step
}

// step is one part of a path: a name or, if it is empty, an index.
type step struct {
	name  string
	index int
}

// found is an object, or a field and the rule for it.
type found struct {
	path    string
	content map[string]any // of the object that it is, or is in
	outer   string         // the kind that an embedded object is in
	value   any
	rule    int
}

func compareFound(a, b found) int {
	return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.rule, b.rule))
}

// walk goes through a value; at is the object, of s.objects, that it is in.
func (s *search) walk(value any, at int) {
	switch v := value.(type) {
	case map[string]any:
		if len(s.path) > 0 && isObject(v) {
			outer, _ := s.objects[at].content["kind"].(string)
			at = len(s.objects)
			s.objects = append(s.objects, found{path: s.where(), content: v, outer: outer})
		}
		for name, item := range v {
			s.path = append(s.path, step{name: name})
			for _, rule := range s.policy.at[name] {
				s.fields = append(s.fields, found{path: s.where(), content: s.objects[at].content, value: item, rule: rule})
			}
			s.walk(item, at)
			s.path = s.path[:len(s.path)-1]
		}
	case []any:
		for i, item := range v {
			s.path = append(s.path, step{index: i})
			s.walk(item, at)
			s.path = s.path[:len(s.path)-1]
		}
	}
}

// isObject reports what a cluster would take for an object of its own, not for a reference to one.
func isObject(m map[string]any) bool {
	_, hasMetadata := m["metadata"].(map[string]any)
	return hasMetadata && firstText(m["apiVersion"]) != "" && firstText(m["kind"]) != ""
}

func (s *search) where() string {
	path := ""
	for _, step := range s.path {
		if step.name == "" {
			path = index(path, step.index)
		} else {
			path = join(path, step.name)
		}
	}
	return path
}

// denial is what a policy says no to.
type denial struct{ field, message string }

func (d *denial) of(o *unstructured.Unstructured) *Error {
	message := o.GetKind() + " " + o.GetName() + ": " + d.message
	return &Error{
		Entity: ngsild.EntityID(o.GetAnnotations()[annotationEntity]), Field: d.field,
		Reason: ReasonPolicyDenied, Message: line(message, maxMessage), Err: ErrInvalid,
	}
}

func (p *Policy) judge(s *search) *denial {
	for _, o := range s.objects {
		if denied := p.admit(o); denied != nil {
			return denied
		}
	}
	for _, o := range s.objects {
		for _, i := range p.always {
			o.value = o.content
			if denied := p.obey(p.rules[i], o); denied != nil {
				return denied
			}
		}
	}
	for _, f := range s.fields {
		if denied := p.obey(p.rules[f.rule], f); denied != nil {
			return denied
		}
	}
	return nil
}

// admit asks the allow list.
func (p *Policy) admit(o found) *denial {
	u := unstructured.Unstructured{Object: o.content}
	kind, namespace := u.GroupVersionKind().GroupKind(), u.GetNamespace()
	known := false
	for _, a := range p.allow {
		if !a.takes(kind, o.outer) {
			continue
		}
		known = true
		if slices.Contains(a.Namespaces, "*") || namespace != "" && slices.Contains(a.Namespaces, namespace) {
			return nil
		}
	}
	what := "the kind " + kind.String()
	if known {
		what = fmt.Sprintf("the namespace %q for %s", namespace, kind)
	}
	if o.outer != "" {
		what += " at " + o.path + " inside of " + o.outer
	}
	if p.cluster != "" {
		what += " in the cluster " + p.cluster
	}
	field := o.path
	if known {
		field = join(field, "metadata") + ".namespace"
	}
	return &denial{field, "the policy does not allow " + what}
}

func (a Allowance) takes(kind schema.GroupKind, outer string) bool {
	return a.Group == kind.Group && slices.Contains(a.Kinds, kind.Kind) &&
		(outer == "" && len(a.Within) == 0 || outer != "" && slices.Contains(a.Within, outer))
}

// obey asks a rule; anything but a plain true is no.
func (p *Policy) obey(r policyRule, f found) *denial {
	e := &evaluation{variables: named{
		objectVariable: adapter{}.NativeToValue(f.content), "value": adapter{}.NativeToValue(f.value),
		"field": types.String(f.path), namespaceVariable: types.String(p.namespace),
		"registries":   types.NewStringList(adapter{}, p.registries),
		"repositories": types.NewStringList(adapter{}, p.repositories),
	}}
	holds, err := r.that.compute(e)
	if err == nil && holds == types.True {
		return nil
	}
	message := "policy " + r.policy + ", rule " + r.name + ": " + r.message
	if err != nil {
		message += " (the rule cannot be computed for what is there)"
	}
	if f.path != "" {
		message = f.path + ": " + message
	}
	return &denial{f.path, message}
}

// imageIn reports an image that comes from one of some registries, each a host with its port and perhaps the
// beginning of a path, or anywhere.
func imageIn(image string, registries []string) bool {
	host, rest := registryHost(image), image
	if strings.HasPrefix(image, host+"/") {
		rest = image[len(host)+1:]
	}
	if host == "index.docker.io" {
		host = "docker.io"
	}
	if host == "docker.io" && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	return slices.Contains(registries, anywhere) || image != "" && !ambiguous(image) && slices.ContainsFunc(registries, func(registry string) bool {
		at, path, _ := strings.Cut(registry, "/")
		return at == host && (path == "" || goesOn(rest, path, "/:@"))
	})
}

// addressIn reports a repository that is one of some, or below one.
func addressIn(repository string, addresses []string) bool {
	return slices.Contains(addresses, anywhere) || !ambiguous(repository) && slices.ContainsFunc(addresses, func(address string) bool {
		return goesOn(repository, address, "/")
	})
}

// goesOn reports a text that is the address, or goes on with one of ends after it.
func goesOn(text, address, ends string) bool {
	rest, begins := strings.CutPrefix(text, address)
	return begins && (rest == "" || strings.ContainsRune(ends, rune(rest[0])))
}

// ambiguous reports a text that somebody may read as another address than it begins with.
func ambiguous(text string) bool {
	return strings.Contains(text, "..") || strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`\%?#`, r)
	})
}
