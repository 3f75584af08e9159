package broker

import "strconv"

const errorURI = "https://uri.etsi.org/ngsi-ld/errors/"

const (
	titleNull    = "The use of NULL value is not recommended for JSON-LD (the whole attribute gets ignored)"
	titleMissing = "Mandatory field missing"
)

// problem is an error as the broker answers it. It is nil where nothing is
// wrong.
type problem struct {
	status int
	kind   string // last part of the type's URI
	title  string
	detail string
	field  string // a non-standard member of some
}

func badRequest(title, detail string) *problem {
	return &problem{status: 400, kind: "BadRequestData", title: title, detail: detail}
}

func notFound(title, detail string) *problem {
	return &problem{status: 404, kind: "ResourceNotFound", title: title, detail: detail}
}

func notSupported(title, detail string) *problem {
	return &problem{status: 501, kind: "OperationNotSupported", title: title, detail: detail}
}

// body is the problem document of a whole request.
func (p *problem) body() []byte {
	dst := p.append(append([]byte(nil), '{'))
	if p.field != "" {
		dst = appendText(append(dst, `,"field":`...), p.field)
	}
	return append(dst, '}')
}

// appendItem appends the error object of one entity of a batch.
func (p *problem) appendItem(dst []byte, id string) []byte {
	dst = appendText(append(dst, `{"entityId":`...), id)
	dst = p.append(append(dst, `,"error":{`...))
	dst = strconv.AppendInt(append(dst, `,"status":`...), int64(p.status), 10)
	return append(dst, "}}"...)
}

func (p *problem) append(dst []byte) []byte {
	dst = appendText(append(dst, `"type":`...), errorURI+p.kind)
	dst = appendText(append(dst, `,"title":`...), p.title)
	return appendText(append(dst, `,"detail":`...), p.detail)
}
