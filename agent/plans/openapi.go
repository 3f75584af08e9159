package plans

import (
	"context"
	_ "embed"
	"fmt"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed openapi.yaml
var description []byte

// OpenAPI is the description of the plan API. It is read once; callers must not
// change it.
var OpenAPI = sync.OnceValue(func() *openapi3.T {
	doc, err := openapi3.NewLoader().LoadFromData(description)
	if err == nil {
		err = doc.Validate(context.Background())
	}
	if err != nil {
		panic(fmt.Sprintf("plans: the embedded OpenAPI document: %v", err)) // a test reads it before any user does
	}
	return doc
})
