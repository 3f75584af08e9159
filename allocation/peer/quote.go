package peer

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hlo-agent/hlo-agent/allocation"
	"github.com/hlo-agent/hlo-agent/ngsild"
)

// leastValue is how long the value of a variable or an argument is that may be a
// secret. Shorter ones would make what is quoted unreadable.
const leastValue = 4

// secretsOf are the texts of an allocation that nobody may be shown. Every value of a
// variable or an argument may be one.
func secretsOf(a *allocation.Allocation) []string {
	secrets := []string{string(a.Password), a.Username}
	if a.Password != "" {
		secrets = append(secrets, a.Username+":"+string(a.Password)) // in base64, as registries have it
	}
	if a.Network != nil {
		secrets = append(secrets, string(a.Network.PrivateKey))
	}
	for _, list := range [][]allocation.Pair{a.EnvVars, a.CLIArgs} {
		for _, pair := range list {
			_, assigned, _ := strings.Cut(pair.Key, "=") // --password=x
			for _, value := range []string{pair.Value, assigned} {
				if len(value) >= leastValue && value != "true" && value != "false" {
					secrets = append(secrets, value)
				}
			}
		}
	}
	return secrets
}

// quoted is what an answer says, cut short, without the secrets that were sent.
func (got answer) quoted(secrets []string) string {
	var said struct {
		Title, Detail, Status any
		Faults                any `json:"faults"`
	}
	var all any
	text := string(got.body)
	if json.Unmarshal(got.body, &all) == nil {
		if plain, err := json.Marshal(all); err == nil { // without escapes that need not be
			text = string(plain)
		}
	}
	if json.Unmarshal(got.body, &said) == nil {
		var parts []string
		for _, part := range []any{said.Title, said.Detail, said.Status, said.Faults} {
			if word, ok := part.(string); ok && word != "" {
				parts = append(parts, word)
			} else if list, ok := part.([]any); ok {
				parts = append(parts, fmt.Sprint(list...))
			}
		}
		if len(parts) > 0 {
			text = strings.Join(parts, ": ")
		}
	}
	text = ngsild.Redact(text, append([]string{got.token}, secrets...)...)
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ") // left out, it would join the parts of a secret
	if len(text) > maxQuoted {
		text = strings.ToValidUTF8(text[:maxQuoted], "") + "…"
	}
	return text
}
