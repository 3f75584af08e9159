package ngsild

// Secret is a text that never prints: not with fmt, not with slog, not as JSON.
// Whoever needs it converts it to string.
type Secret string

// String hides the secret from fmt and slog.
func (s Secret) String() string { return "[redacted]" }

// GoString hides it from %#v.
func (s Secret) GoString() string { return "[redacted]" }

// MarshalText hides it from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }
