package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	urnPrefix      = "urn:ngsi-ld:"
	aerosPrefix    = "aeros-"
	maxNameLength  = 253
	maxLabelLength = 63
	labelCut       = 54 // 54 + "-" + 8 hex digits = 63
)

// aerosName is the name of the object for an entity id, a function of the id alone: a name never
// changes because another entity came. Where the plain slug would lose a character, be too long or
// be no legal object name, eight hex digits of the id's hash are added.
func aerosName(id string) string {
	slug, exact := slugOf(strings.TrimPrefix(id, urnPrefix), ".-")
	if exact && slug != "" && len(aerosPrefix)+len(slug) <= maxNameLength {
		return aerosPrefix + slug
	}
	suffix := "-" + shortHash(id)
	if room := maxNameLength - len(aerosPrefix) - len(suffix); len(slug) > room {
		slug = trimEnds(slug[:room])
	}
	if slug == "" {
		return aerosPrefix + suffix[1:]
	}
	return aerosPrefix + slug + suffix
}

// dnsLabel is aerosName's rule for names that may not hold dots and are at most limit characters
// long, without a prefix; it starts with a letter. limit is at least 16.
func dnsLabel(id string, limit int) string {
	slug, exact := slugOf(strings.TrimPrefix(id, urnPrefix), "-")
	if slug == "" || slug[0] < 'a' {
		slug = strings.TrimSuffix("x-"+slug, "-")
	}
	if exact && len(slug) <= limit {
		return slug
	}
	suffix := "-" + shortHash(id)
	if room := limit - len(suffix); len(slug) > room {
		slug = trimEnds(slug[:room])
	}
	return slug + suffix
}

// slugOf lowers text and puts a "-" for every run of characters other than letters, digits and kept
// ones. exact is false when a character outside A-Za-z0-9.:_- was replaced, or a dot stands where a
// name may have none (beside another dot or a "-").
func slugOf(text, kept string) (slug string, exact bool) {
	exact = true
	var b strings.Builder
	for _, r := range text {
		switch {
		case r >= 'A' && r <= 'Z':
			b.WriteByte(byte(r) + 'a' - 'A')
		case isLowerAlphanumeric(r):
			b.WriteByte(byte(r))
		case strings.ContainsRune(kept, r) && r != '-':
			b.WriteByte(byte(r))
		default:
			if b.Len() == 0 || !strings.HasSuffix(b.String(), "-") {
				b.WriteByte('-')
			}
			exact = exact && strings.ContainsRune(".:_-", r)
		}
	}
	slug = trimEnds(b.String())
	if strings.Contains(slug, "..") || strings.Contains(slug, ".-") || strings.Contains(slug, "-.") {
		slug, _ = slugOf(slug, "-")
		exact = false
	}
	return slug, exact
}

// aerosLabel is the label value for an entity id: the id without its URN prefix, legal as a label,
// with a hash of the whole id when it would be too long.
func aerosLabel(id string) string {
	var b strings.Builder
	for _, r := range strings.TrimPrefix(id, urnPrefix) {
		switch {
		case r >= 'A' && r <= 'Z', isLowerAlphanumeric(r), r == '.', r == '_', r == '-':
			b.WriteByte(byte(r))
		case r == ':':
			b.WriteByte('_')
		default:
			b.WriteByte('-')
		}
	}
	value := trimEnds(b.String())
	if len(value) > maxLabelLength {
		value = value[:labelCut] + "-" + shortHash(id)
	}
	return value
}

func isLowerAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
}

func trimEnds(s string) string { return strings.Trim(s, "-._") }

// shortHash is the first eight hex digits of the SHA-256 of a full id.
func shortHash(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:4])
}
