package mapping

import (
	_ "embed"
	"slices"
)

//go:embed mapping.schema.json
var schemaJSON []byte

// Schema is the JSON Schema (draft 2020-12) of a mapping file, for editors. The caller owns it.
func Schema() []byte { return slices.Clone(schemaJSON) }
