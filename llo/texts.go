package llo

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// cut stands where something was cut out.
const cut = "[…]"

// Texts are what a message must not repeat.
type Texts []string

// TextsIn are all texts in a value of an object, names of fields excepted, and what they are made of: the texts in
// one that is JSON or base64, its lines, what follows a "=", the password in an address.
func TextsIn(value any) Texts { return textsIn(value, nil, 0) }

// deepest is how often a text is looked into that came out of another.
const deepest = 6

func textsIn(value any, into Texts, depth int) Texts {
	switch value := value.(type) {
	case string:
		if depth <= deepest {
			into = partsOf(value, append(into, value), depth+1)
		}
	case map[string]any:
		for _, v := range value {
			into = textsIn(v, into, depth)
		}
	case []any:
		for _, v := range value {
			into = textsIn(v, into, depth)
		}
	}
	return into
}

var inAddress = regexp.MustCompile(`://[^/\s@]*?:([^/\s]+)@`)

// partsOf adds what a text is made of, if it is longer than what is cut out without quotes.
func partsOf(text string, into Texts, depth int) Texts {
	if len(text) < shortest {
		return into
	}
	var document any
	if strings.ContainsAny(text[:1], "{[") && json.Unmarshal([]byte(text), &document) == nil {
		return textsIn(document, into, depth)
	}
	if decoded, err := base64.StdEncoding.DecodeString(text); err == nil && len(decoded) >= shortest && utf8.Valid(decoded) {
		into = textsIn(string(decoded), into, depth)
		if _, password, isPair := strings.Cut(string(decoded), ":"); isPair {
			into = append(into, password)
		}
	}
	for _, found := range inAddress.FindAllStringSubmatch(text, -1) {
		into = append(into, found[1])
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != text {
			into = append(into, line)
		}
		if _, assigned, isPair := strings.Cut(line, "="); isPair {
			into = append(into, strings.Trim(strings.TrimSpace(assigned), `"'`))
		}
	}
	return into
}

// shortest is how long a text must be to be cut out where no quotes are around it.
const shortest = 4

// CutFrom cuts the texts out of a message, in every form in which they may be quoted. Texts of fewer than 4 bytes
// are cut out where they stand in quotes only.
func (t Texts) CutFrom(message string) string {
	if message == "" || len(t) == 0 {
		return message
	}
	all := slices.Clone(t)
	// The longest first, since one may hold another.
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	for _, text := range slices.Compact(all) {
		for _, form := range formsOf(text) {
			if len(text) < shortest {
				message = strings.ReplaceAll(message, `"`+form+`"`, `"`+cut+`"`)
				continue
			}
			message = strings.ReplaceAll(message, form, cut)
		}
	}
	return message
}

// formsOf are a text as it is, in JSON, in Go, and in base64 as a Secret has it.
func formsOf(text string) []string {
	if text == "" {
		return nil
	}
	forms := []string{text}
	if quoted, err := json.Marshal(text); err == nil {
		forms = append(forms, string(quoted[1:len(quoted)-1]))
	}
	quoted := strconv.Quote(text)
	return append(forms, quoted[1:len(quoted)-1], base64.StdEncoding.EncodeToString([]byte(text)))
}

// contentOf are the texts in objects, what names and describes them and what others say of them excepted.
func contentOf(objects ...map[string]any) Texts {
	var all Texts
	for _, object := range objects {
		for key, value := range object {
			if key != "apiVersion" && key != "kind" && key != "metadata" && key != "status" {
				all = textsIn(value, all, 0)
			}
		}
	}
	return all
}

var inPath = regexp.MustCompile(`([\[,](?:value)?=)"(?:[^"\\]|\\.)*"`)

// plainPath is the path of a field without the value that it may hold, where an item of a list goes by that.
func plainPath(path string) string { return inPath.ReplaceAllString(path, "${1}"+cut) }
