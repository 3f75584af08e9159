package agent

import (
	"net/url"
	"slices"
	"strings"
)

// masked stands for a value that may be a credential.
const masked = "[redacted]"

// secretWords end the names of fields that hold credentials, and are in the names of variables and arguments
// that do, without regard to case, "-" and "_".
func secretWords() []string {
	return []string{
		"password", "passwd", "passphrase", "pwd", "secret", "token", "credential", "credentials", "privatekey", "presharedkey",
		"apikey", "accesskey", "secretkey", "dockerconfigjson", "dockercfg", "auth", "authorization", "cookie",
	}
}

func plainWord(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "", ".", "").Replace(name))
}

// namesSecret says whether a field of that name holds a credential.
func namesSecret(field string) bool {
	field = plainWord(field)
	return slices.ContainsFunc(secretWords(), func(word string) bool { return strings.HasSuffix(field, word) })
}

// mentionsSecret says the same of a variable or an argument.
func mentionsSecret(name string) bool {
	name = plainWord(name)
	return slices.ContainsFunc(secretWords(), func(word string) bool { return strings.Contains(name, word) })
}

// hidesSecrets is a copy of a value of an object in which everything that may be a credential is masked: what is in
// a Secret, on its own or inside of another object; fields, variables and arguments that are named so; the user in
// an address. Two different credentials are masked alike.
func hidesSecrets(value any) any {
	switch v := value.(type) {
	case map[string]any:
		return hideIn(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = hidesSecrets(item)
			if before, isText := at(v, i-1).(string); isText && strings.HasPrefix(before, "-") && !strings.Contains(before, "=") && mentionsSecret(before) {
				list[i] = masked // --password x
			}
		}
		return list
	case string:
		return hideText(v)
	}
	return value
}

func at(list []any, i int) any {
	if i < 0 {
		return nil
	}
	return list[i]
}

func hideIn(m map[string]any) map[string]any {
	copied := make(map[string]any, len(m))
	name := firstNonEmpty(m["key"], m["name"])
	for key, value := range m {
		data := key == "data" || key == "stringData"
		switch {
		case m["kind"] == "Secret" && data, namesSecret(key) && !isFlag(value):
			copied[key] = maskAll(value)
		case key == "value" && mentionsSecret(name):
			copied[key] = maskAll(value)
		default:
			copied[key] = hidesSecrets(value)
		}
	}
	return copied
}

func firstNonEmpty(values ...any) string {
	for _, v := range values {
		if text, isText := v.(string); isText && text != "" {
			return text
		}
	}
	return ""
}

// isFlag: true and false are no credentials.
func isFlag(value any) bool {
	_, isBool := value.(bool)
	return isBool
}

// maskAll masks every value, so that it can still be seen which there are.
func maskAll(value any) any {
	switch v := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(v))
		for key, item := range v {
			copied[key] = maskAll(item)
		}
		return copied
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = maskAll(item)
		}
		return list
	case nil:
		return nil
	}
	return masked
}

// hideText masks an argument such as --password=x, the user in an address, and a document that speaks of credentials.
func hideText(text string) string {
	if strings.ContainsAny(text, "{\n") && mentionsSecret(text) {
		return masked
	}
	if name, _, assigns := strings.Cut(text, "="); assigns && !strings.ContainsAny(name, " \n\"{") && mentionsSecret(name) {
		return name + "=" + masked
	}
	if strings.Contains(text, "://") && strings.Contains(text, "@") {
		if u, err := url.Parse(text); err != nil || u.User != nil {
			return masked
		}
	}
	return text
}
