package broker

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const maxLimit = 1000

// params are the URL parameters of a request.
type params struct {
	ids, types []string
	idPattern  *regexp.Regexp
	attrs      []string
	q          string
	lang       string
	limit      int
	offset     int
	count      bool
	local      bool
	sysAttrs   bool
	overwrite  bool // not options=noOverwrite
	update     bool // options=update
	format     format
	orderBy    bool
}

func (q *request) readParams(operation) *problem {
	p := &q.params
	p.limit, p.overwrite = q.broker.options.DefaultLimit, true
	var unknown, limit string
	formats := 0
	for pair := range strings.SplitSeq(q.http.URL.RawQuery, "&") {
		if pair == "" {
			continue
		}
		name, in, _ := strings.Cut(pair, "=")
		in = unescape(in, true)
		var err *problem
		switch name = unescape(name, true); name {
		case "limit":
			limit = in
		case "options":
			formats, err = p.options(in)
		default:
			var known bool
			if known, err = p.set(name, in); !known {
				unknown = name
			}
		}
		if err != nil {
			return err
		}
	}
	if unknown != "" {
		return badRequest("Unknown URI parameter", unknown)
	}
	if p.sysAttrs && formats&1 != 0 {
		return badRequest("Incoherent value for /options/ URI param", "Can't have system attributes when /simplified/ output format is selected")
	}
	if p.orderBy && !p.local {
		return notSupported("Not supported URL parameter", "The URL parameter 'orderBy' only works if also 'local' is set")
	}
	return p.setLimit(limit)
}

// set takes one parameter; it is false for one that the broker does not know.
func (p *params) set(name, in string) (bool, *problem) {
	switch name {
	case "id":
		p.ids = strings.Split(in, ",")
	case "type":
		p.types = strings.Split(in, ",")
	case "attrs":
		p.attrs = strings.Split(in, ",")
	case "q":
		p.q = in
	case "lang":
		p.lang = in
	case "count":
		p.count = in == "true"
	case "local":
		p.local = in == "true"
	case "orderBy":
		p.orderBy = true
	case "offset":
		return true, p.setOffset(in)
	case "format":
		f, ok := formatOf(in)
		if !ok {
			return true, badRequest("Bad value for URI parameter /format/", in)
		}
		p.format = f | fromFormat
	case "idPattern":
		pattern, err := regexp.Compile(in)
		if err != nil {
			return true, badRequest("Invalid Regular Expression", in)
		}
		p.idPattern = pattern
	case "details", "georel", "geometry", "coordinates", "geoproperty", "datasetId", "deleteAll", "timerel", "timeAt", "endTimeAt", "timeproperty":
	default:
		return false, nil
	}
	return true, nil
}

// fromFormat marks a format that came from the format parameter, which wins
// over options.
const fromFormat format = 0x80

// options takes the options parameter. The first result has bit 0 set when it
// asks for the simplified format.
func (p *params) options(in string) (int, *problem) {
	simplified := 0
	for option := range strings.SplitSeq(in, ",") {
		if f, ok := formatOf(option); ok {
			if p.format&fromFormat == 0 {
				p.format = f
			}
			if f == simplifiedFormat {
				simplified = 1
			}
			continue
		}
		switch option {
		case "sysAttrs":
			p.sysAttrs = true
		case "count":
			p.count = true
		case "noOverwrite":
			p.overwrite = false
		case "update":
			p.update = true
		case "replace":
			p.update = false
		default:
			return 0, badRequest("Invalid value for URI param /options/", in)
		}
	}
	return simplified, nil
}

func (p *params) setOffset(in string) *problem {
	n, err := strconv.Atoi(in)
	switch {
	case err == nil && n < 0:
		return badRequest("Bad value for URI parameter /offset/", in)
	case err != nil:
		return badRequest("Invalid value for URI parameter /offset/", "must be an integer value >= 0")
	}
	p.offset = n
	return nil
}

func (p *params) setLimit(in string) *problem {
	if in == "" {
		return nil
	}
	n, err := strconv.Atoi(in)
	switch {
	case err == nil && n < 0:
		return badRequest("Bad value for URI parameter /limit/", in)
	case err != nil:
		return badRequest("Invalid value for URI parameter /limit/", "must be an integer value >= 1")
	case n > maxLimit:
		return badRequest("Invalid value for URI parameter /limit/", "must be an integer value <= 1000")
	case n == 0 && !p.count:
		return badRequest("Invalid value for URI parameter /limit/", "must be an integer value >= 1, if /count/ is not set")
	}
	p.limit = n
	return nil
}

// shape is how the answer is to be written.
func (q *request) shape() *shape {
	p := &q.params
	s := &shape{format: p.format &^ fromFormat, sysAttrs: p.sysAttrs, lang: p.lang, names: q.names}
	for _, a := range p.attrs {
		s.only = append(s.only, q.names.expand(a))
	}
	if q.accept == "application/ld+json" || q.accept == "application/geo+json" {
		in := q.names.inside()
		s.context = &in
	}
	return s
}

// asked reports whether an entity has any of the attributes that attrs names.
func (s *shape) asked(e *entity) bool {
	return s.only == nil || slices.ContainsFunc(s.only, func(name string) bool { return e.find(name) >= 0 })
}
