package agent

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// masked stands for a value that may be a credential.
const masked = "[redacted]"

// secretWords name credentials, and are in no other name: they count wherever they stand in the name of a variable or
// an argument, and at the end of that of a field, without regard to case, "-", "_" and ".".
var secretWords = []string{
	"password", "passwd", "passphrase", "passcode", "credential", "credentials", "privatekey", "presharedkey", "apikey", "accesskey", "secretkey",
	"dockerconfigjson", "dockercfg", "connectionstring",
}

// secretEnds do the same at the end of a word only: a token is one, a tokenizer and an author are none.
var secretEnds = []string{"secret", "token", "auth", "authorization", "cookie", "pwd"}

// secretLast do so as the last word, alone or, without the words that are no names of passwords, with others before it.
var secretLast = []string{"pass", "pw", "dsn", "cred", "creds"}

func plainWord(name string) string { return strings.ToLower(nameMarks.Replace(name)) }

var (
	nameMarks = strings.NewReplacer("-", "", "_", "", ".", "")
	humps     = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)
	notInWord = regexp.MustCompile(`[^A-Za-z]+`)
)

// wordsOf takes a name apart: where case changes, and where there is no letter.
func wordsOf(name string) []string {
	name = humps.ReplaceAllString(name, "$1$3 $2$4")
	return strings.Fields(strings.ToLower(notInWord.ReplaceAllString(name, " ")))
}

func endsIn(text string, ends []string) bool {
	return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(text, end) })
}

// endsInPass: DBPASS does, a compass does not.
func endsInPass(word string) bool {
	return strings.HasSuffix(word, "pass") && !endsIn(word, []string{"compass", "bypass", "overpass", "underpass", "surpass", "trespass"})
}

// namesSecret says whether a field of that name holds a credential.
func namesSecret(field string) bool {
	plain := plainWord(field)
	if endsIn(plain, secretWords) || endsIn(plain, secretEnds) {
		return true
	}
	if !endsIn(plain, secretLast) {
		return false
	}
	words := wordsOf(field)
	return len(words) > 0 && isLast(words[len(words)-1])
}

func isLast(word string) bool { return slices.Contains(secretLast, word) || endsInPass(word) }

// mentionsSecret says the same of a variable or an argument. There the last word key counts too, if it is not the
// only one, nor of a public key.
func mentionsSecret(name string) bool {
	plain := plainWord(name)
	if slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(plain, word) }) {
		return true
	}
	words := wordsOf(name)
	if slices.ContainsFunc(words, func(word string) bool { return endsIn(strings.TrimSuffix(word, "s"), secretEnds) }) {
		return true
	}
	n := len(words)
	if n == 0 {
		return false
	}
	isKey := strings.TrimSuffix(words[n-1], "s") == "key" && n > 1 && words[n-2] != "public"
	return isKey || isLast(words[n-1])
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
		case m["kind"] == "Secret" && data, namesSecret(key) && !isFlag(value) && !isReference(value):
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

// isReference: where a credential is, is none itself.
func isReference(value any) bool {
	m, isMap := value.(map[string]any)
	for key := range m {
		if !slices.Contains([]string{"name", "namespace", "secretName", "key", "items", "optional", "defaultMode"}, key) {
			return false
		}
	}
	return isMap
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

var (
	assignment = regexp.MustCompile(`([\w.-]+)=[^\s;&]+`)
	oneName    = regexp.MustCompile(`[\w.-]+`)
	withUser   = regexp.MustCompile(`(?:^|[\s"'=(])[^\s:/@"'=]+:([^\s/@]+)@(sha\d+:)?`) // user:password@tcp(host)/name
)

// hideText masks an argument such as --password=x, the user in an address, and a document that speaks of credentials.
func hideText(text string) string {
	if strings.ContainsAny(text, "{\n") && slices.ContainsFunc(oneName.FindAllString(text, -1), mentionsSecret) {
		return masked
	}
	if name, _, assigns := strings.Cut(text, "="); assigns && !strings.ContainsAny(name, " \n\"{") && mentionsSecret(name) {
		return name + "=" + masked
	}
	if strings.Contains(text, "@") {
		if strings.Contains(text, "://") {
			if u, err := url.Parse(text); err != nil || u.User != nil {
				return masked
			}
		}
		for _, found := range withUser.FindAllStringSubmatch(text, -1) {
			if found[2] == "" { // not the digest of an image
				return masked
			}
		}
	}
	if !strings.Contains(text, "=") {
		return text
	}
	return assignment.ReplaceAllStringFunc(text, func(one string) string {
		if name, _, _ := strings.Cut(one, "="); mentionsSecret(name) {
			return name + "=" + masked
		}
		return one
	})
}
