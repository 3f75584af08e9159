package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

var (
	// addressUser is a user in an address, also in one that is none for what is in the password.
	addressUser = regexp.MustCompile(`://\S*@`)
	// credential is what a value holds that is no secret as a whole but has one in it:
	// user and password before a host, one that is named, or a private key.
	credential = regexp.MustCompile(`(?i)://\S*@|^[^/\s]+:\S*@|(passw(or)?d|passphrase|pwd|secret|token|api_?key)["']?\s*[=:]\s*\S|bearer\s+\S|-----BEGIN`)

	errWithheld = errors.New("has a user, a password or a key in it, which do not belong there; the value is not shown")
)

func holdsCredential(value string) bool {
	return !strings.HasPrefix(value, "urn:") && credential.MatchString(strings.TrimSpace(value))
}

// withheld names the settings that hold a credential where none belongs. They are
// refused, so that it gets into no error or log of what uses them.
func (c *Config) withheld() []string {
	var names []string
	fields, i := reflect.ValueOf(c).Elem(), 0
	for name := range settingNames() {
		var values []string
		switch value := fields.Field(i).Interface().(type) {
		case string:
			values = []string{value}
		case []string:
			values = append(slices.Clone(value), strings.Join(value, ",")) // a password may have a comma
		}
		if slices.ContainsFunc(values, holdsCredential) {
			names = append(names, name)
		}
		i++
	}
	return names
}

// readSecret reads the file that a setting names, which holds a secret. The error
// does not repeat the name: it may be the secret itself, put where its file belongs.
func readSecret(setting, path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: the file that it names: %w", setting, unnamed(err))
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("%s: the file that it names is empty", setting)
	}
	return secret, nil
}

// unnamed is an error of a file without its name.
func unnamed(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// withoutUsers is an error of a library that reads addresses, unless it repeats one
// with a user in it.
func withoutUsers(err error) error {
	if err != nil && addressUser.MatchString(err.Error()) {
		return errors.New("an address in it has a user or a password, or cannot be read; it is not shown")
	}
	return err
}

// shown is a value as errors quote it.
func shown(value string) string {
	if holdsCredential(value) {
		return masked
	}
	return fmt.Sprintf("%q", value)
}

// quoted are values that errors of the YAML library repeat.
var quoted = regexp.MustCompile("`[^`]*`")

func withoutValues(err error) error {
	return errors.New(quoted.ReplaceAllString(err.Error(), "a value"))
}
