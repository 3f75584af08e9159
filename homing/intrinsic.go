package homing

import (
	"fmt"
	"strings"
)

// intrinsics replaces {get_param: …} and {get_file: …} wherever they stand.
type intrinsics struct {
	params map[string]any
	files  map[string][]byte
	found  *findings
	size   int // values replaced or copied so far
}

// deepest is how often a replaced value may contain the next intrinsic.
const deepest = 20

func (s *intrinsics) replace(v any, path string, depth int) any {
	if s.size++; s.size > largestDocument {
		if s.size == largestDocument+1 {
			s.found.add(path, "too large once its parameters are filled in: accepted are %d values", largestDocument)
		}
		return unresolved{}
	}
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = s.replace(item, fmt.Sprintf("%s[%d]", path, i), depth)
		}
		return list
	case map[string]any:
		if len(v) == 1 {
			if name, ok := v["get_param"]; ok {
				return s.parameter(name, join(path, "get_param"), depth)
			}
			if key, ok := v["get_file"]; ok {
				return s.file(key, join(path, "get_file"))
			}
		}
		m := make(map[string]any, len(v))
		for key, item := range v {
			m[key] = s.replace(item, join(path, key), depth)
		}
		return m
	default:
		return v
	}
}

func (s *intrinsics) parameter(arg any, path string, depth int) any {
	if depth >= deepest {
		s.found.add(path, "parameters refer to each other in a circle, or over more than %d steps", deepest)
		return unresolved{}
	}
	name, steps := arg, []any(nil)
	if list, ok := arg.([]any); ok && len(list) > 0 {
		name, steps = list[0], list[1:]
	}
	text, ok := name.(string)
	if !ok {
		s.found.add(path, "%s names no parameter: accepted is a name, or a list of a name and the keys or places to walk", kindOf(name))
		return unresolved{}
	}
	value, ok := s.params[text]
	if !ok {
		s.found.add(path, "parameter %q is not defined: accepted is %s", text, orNothing(sortedKeys(s.params)))
		return unresolved{}
	}
	value = s.replace(value, path, depth+1)
	for _, step := range steps {
		if value, ok = walk(value, step); !ok {
			s.found.add(path, "parameter %q has no %v", text, step)
			return unresolved{}
		}
	}
	return value
}

func orNothing(words []string) string {
	if len(words) == 0 {
		return "none, since there are none"
	}
	return oneOf(words)
}

// walk takes one step into a mapping, or into a list by its place from 0.
func walk(value, step any) (any, bool) {
	switch v := value.(type) {
	case map[string]any:
		key, _ := plain(step)
		value, ok := v[key]
		return value, ok
	case []any:
		at, ok := number(step)
		if !ok || at != float64(int(at)) || at < 0 || int(at) >= len(v) {
			return nil, false
		}
		return v[int(at)], true
	}
	return nil, false
}

func (s *intrinsics) file(arg any, path string) any {
	key, ok := arg.(string)
	if !ok {
		s.found.add(path, "%s names no file: accepted is a path or URL", kindOf(arg))
		return unresolved{}
	}
	for _, k := range []string{key, "file://" + key, strings.TrimPrefix(key, "file://")} {
		if content, ok := s.files[k]; ok {
			return string(content)
		}
	}
	s.found.add(path, "file %q was not given: accepted is %s", key, orNothing(sortedKeys(s.files)))
	return unresolved{}
}
