package systems

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// The kinds of systems.
const (
	kindVIM     = "vim"     // answers vim_fit
	kindService = "service" // answers instance_fit and region_fit, and reserves
	kindLicense = "license"
	kindNetwork = "network"
)

var kinds = []string{kindVIM, kindService, kindLicense, kindNetwork}

// Bounds of how long one system may take for its answers to one solve.
const (
	usualTimeout = 5 * time.Second
	mostTimeout  = time.Minute
)

// file is what names the systems.
type file struct {
	Systems []system `yaml:"systems"`
}

// system is one entry: what it answers for, and how it is asked.
type system struct {
	// Name is the controller as templates name it, in any case; of a license
	// system the licence's id. "*" stands for all that no other entry names.
	Name string `yaml:"name"`
	Kind string `yaml:"kind"`
	// URL is asked by POST, Reserve is told of reservations and releases.
	URL     string `yaml:"url"`
	Reserve string `yaml:"reserveUrl"`
	// Entities is asked of the broker, instead of URL.
	Entities *entities     `yaml:"entities"`
	Timeout  time.Duration `yaml:"timeout"`
	// TokenFile holds a bearer token, BasicAuthFile user:password; both are read
	// again each time. CAFile holds the roots that sign the certificate.
	TokenFile     string `yaml:"tokenFile"`
	BasicAuthFile string `yaml:"basicAuthFile"`
	CAFile        string `yaml:"caFile"`
}

// entities is a query for entities that hold the answer, and which of their
// attributes do.
type entities struct {
	Type string `yaml:"type"`
	Q    string `yaml:"q"`
	// Candidate holds the ids of the candidates (of vim systems, the vim-ids) that
	// the entity speaks of; without it, its own id counts.
	Candidate string `yaml:"candidate"`
	// Amounts are, for vim and service, the attributes with what is free, by the
	// names that requests use.
	Amounts map[string]string `yaml:"amounts"`
	// License and Key hold a licence's id and key group; without License, every
	// entity is about the system's name.
	License string `yaml:"license"`
	Key     string `yaml:"key"`
	// From, To and the others hold a network link; they default to their own names.
	From      string `yaml:"from"`
	To        string `yaml:"to"`
	Bandwidth string `yaml:"bandwidth"`
	Latency   string `yaml:"latency"`
	Distance  string `yaml:"distance"`
	OneWay    string `yaml:"oneWay"`
}

// parse reads the file, and reports everything wrong with it at once.
func parse(data []byte) ([]system, error) {
	var f file
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	err := d.Decode(&f)
	var wrong *yaml.TypeError
	switch {
	case errors.As(err, &wrong):
		var errs []error
		for _, text := range wrong.Errors {
			errs = append(errs, errors.New(readable(text)))
		}
		return nil, errors.Join(append(errs, check(f.Systems)...)...)
	case errors.Is(err, io.EOF):
		return nil, errors.New("the file is empty: accepted is a mapping with systems")
	case err != nil:
		return nil, fmt.Errorf("not YAML: %w", err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document: accepted is one")
	}
	if errs := check(f.Systems); len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for i := range f.Systems {
		f.Systems[i].Timeout = cmp.Or(f.Systems[i].Timeout, usualTimeout)
	}
	return f.Systems, nil
}

var unknownField = regexp.MustCompile(`field (\S+) not found in type systems\.(\w+)`)

// readable takes the names of Go types out of a message of the YAML library, and
// says what would be accepted.
func readable(text string) string {
	m := unknownField.FindStringSubmatch(text)
	if m == nil {
		return strings.ReplaceAll(text, "systems.", "")
	}
	accepted := map[string]string{
		"file":     "systems",
		"system":   "one of name, kind, url, reserveUrl, entities, timeout, tokenFile, basicAuthFile, caFile",
		"entities": "one of type, q, candidate, amounts, license, key, from, to, bandwidth, latency, distance, oneWay",
	}[m[2]]
	return unknownField.ReplaceAllLiteralString(text, "unknown key "+m[1]+": accepted is "+accepted)
}

func check(all []system) []error {
	var errs []error
	if len(all) == 0 {
		errs = append(errs, errors.New("systems: accepted is a list of at least one"))
	}
	seen := map[[2]string]bool{}
	for i := range all {
		s := &all[i]
		bad := func(key, format string, args ...any) {
			errs = append(errs, fmt.Errorf("systems[%d].%s: %s", i, key, fmt.Sprintf(format, args...)))
		}
		id := [2]string{s.Kind, strings.ToLower(s.Name)}
		if seen[id] {
			bad("name", "a %s system %q is there already: accepted is each once", s.Kind, s.Name)
		}
		seen[id] = true
		s.check(bad)
	}
	return errs
}

func (s *system) check(bad func(key, format string, args ...any)) {
	if s.Name == "" {
		bad("name", "required, and missing: accepted is the name that templates use, or *")
	}
	if !slices.Contains(kinds, s.Kind) {
		bad("kind", "%q: accepted is one of %s", s.Kind, strings.Join(kinds, ", "))
	}
	if (s.URL == "") == (s.Entities == nil) && (s.Kind != kindService || s.Reserve == "" || s.URL != "") {
		bad("url", "accepted is either url or entities")
	}
	for key, address := range map[string]string{"url": s.URL, "reserveUrl": s.Reserve} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil) {
			bad(key, "accepted is an http:// or https:// address without user and password")
		}
	}
	if s.Reserve != "" && s.Kind != kindService {
		bad("reserveUrl", "only a service system reserves")
	}
	if s.Timeout != 0 && (s.Timeout < 10*time.Millisecond || s.Timeout > mostTimeout) {
		bad("timeout", "%v: accepted is from 10ms to %v", s.Timeout, mostTimeout)
	}
	if s.TokenFile != "" && s.BasicAuthFile != "" {
		bad("tokenFile", "accepted is either tokenFile or basicAuthFile")
	}
	for key, path := range map[string]string{"tokenFile": s.TokenFile, "basicAuthFile": s.BasicAuthFile, "caFile": s.CAFile} {
		if path == "" {
			continue
		}
		if s.URL == "" && s.Reserve == "" {
			bad(key, "only for a url: entities are read with the broker's own settings")
		}
		if _, err := os.ReadFile(path); err != nil {
			bad(key, "%v", err)
		}
	}
	if s.Entities != nil {
		s.Entities.check(s.Kind, bad)
	}
}

func (e *entities) check(kind string, bad func(key, format string, args ...any)) {
	if e.Type == "" {
		bad("entities.type", "required, and missing: accepted is a type of entities")
	}
	own := map[string][]string{
		kindVIM: {"candidate", "amounts"}, kindService: {"candidate", "amounts"}, kindLicense: {"candidate", "license", "key"},
		kindNetwork: {"from", "to", "bandwidth", "latency", "distance", "oneWay"},
	}[kind]
	for key, value := range map[string]string{
		"candidate": e.Candidate, "license": e.License, "key": e.Key, "from": e.From, "to": e.To,
		"bandwidth": e.Bandwidth, "latency": e.Latency, "distance": e.Distance, "oneWay": e.OneWay,
	} {
		if value != "" && own != nil && !slices.Contains(own, key) {
			bad("entities."+key, "not for kind %s: accepted is type, q, %s", kind, strings.Join(own, ", "))
		}
	}
	measured := kind == kindVIM || kind == kindService
	if measured && len(e.Amounts) == 0 {
		bad("entities.amounts", "required, and missing: accepted is a mapping of a request's names to attributes with what is free")
	}
	if !measured && len(e.Amounts) > 0 && own != nil {
		bad("entities.amounts", "not for kind %s: accepted is type, q, %s", kind, strings.Join(own, ", "))
	}
	for name, attribute := range e.Amounts {
		if attribute == "" {
			bad("entities.amounts."+name, "accepted is the name of an attribute")
		}
	}
	if kind == kindLicense && e.Candidate == "" {
		bad("entities.candidate", "required, and missing: accepted is the attribute that holds the candidates with a licence")
	}
}
