package mapping

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// hashOf is 32 hex digits of the SHA-256 of the objects' canonical JSON (keys sorted, no space), and the
// size of that JSON in bytes.
func hashOf(objects []*unstructured.Unstructured) (hash string, size int, err error) {
	text := make([]byte, 0, 2048)
	for _, o := range objects {
		if text, err = appendJSON(text, o.Object); err != nil {
			return "", 0, fmt.Errorf("hash %s %s: %w", o.GetKind(), o.GetName(), err)
		}
		text = append(text, '\n')
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16]), len(text), nil
}

// appendJSON appends the canonical JSON of a value. It does what encoding/json does, without its
// garbage: this is on the path of every rendering.
func appendJSON(text []byte, value any) ([]byte, error) {
	var err error
	switch v := value.(type) {
	case map[string]any:
		var few [16]string
		text = append(text, '{')
		for i, key := range sortedNames(few[:0], v) {
			if i > 0 {
				text = append(text, ',')
			}
			text = append(appendText(text, key), ':')
			if text, err = appendJSON(text, v[key]); err != nil {
				return nil, err
			}
		}
		return append(text, '}'), nil
	case []any:
		text = append(text, '[')
		for i, item := range v {
			if i > 0 {
				text = append(text, ',')
			}
			if text, err = appendJSON(text, item); err != nil {
				return nil, err
			}
		}
		return append(text, ']'), nil
	case string:
		return appendText(text, v), nil
	case int64:
		return strconv.AppendInt(text, v, 10), nil
	case bool:
		return strconv.AppendBool(text, v), nil
	}
	other, err := json.Marshal(value)
	return append(text, other...), err
}

func sortedNames(names []string, m map[string]any) []string {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// appendText appends a JSON string: quotes, backslashes and control characters are escaped.
func appendText(text []byte, s string) []byte {
	const digits = "0123456789abcdef"
	text = append(text, '"')
	plain := 0 // from here on nothing needs escaping
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		text = append(text, s[plain:i]...)
		plain = i + 1
		if c < ' ' {
			text = append(text, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		} else {
			text = append(text, '\\', c)
		}
	}
	return append(append(text, s[plain:]...), '"')
}

func compareKinds(a, b schema.GroupVersionKind) int {
	return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Version, b.Version))
}
