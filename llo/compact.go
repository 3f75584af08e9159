package llo

import "strings"

// shortened is the text of an object without what changes with every write and
// is not looked at.
type shortened struct {
	object   string   // without metadata.managedFields and metadata.resourceVersion
	metadata string   // the part of object that holds the metadata
	version  string   // metadata.resourceVersion
	fields   []string // the sets of fields that the API server books on our manager
}

// compact shortens the text of one object.
func (c *Cluster) compact(text string) (shortened, error) {
	var short shortened
	var out strings.Builder
	from, to := 0, 0
	out.Grow(len(text))
	err := writeMembers(&out, text, func(key, value string) (bool, error) {
		if plain(key) != "metadata" {
			return true, nil
		}
		writeKey(&out, key)
		from = out.Len()
		err := writeMembers(&out, value, func(key, value string) (bool, error) {
			switch plain(key) {
			case "resourceVersion":
				short.version = plain(value)
				return false, nil
			case "managedFields":
				return false, c.readFields(value, &short.fields)
			}
			return true, nil
		})
		to = out.Len()
		return false, err
	})
	// The builder holds the room of the whole text; what is kept is cut to size.
	short.object = strings.Clone(out.String())
	short.metadata = short.object[from:to]
	return short, err
}

// readFields takes the field sets of our own manager out of managedFields, those
// of the status left out.
func (c *Cluster) readFields(text string, into *[]string) error {
	if text == "null" {
		return nil
	}
	return elements(text, func(entry string) error {
		var manager, subresource, fields string
		err := members(entry, func(key, value string) error {
			switch plain(key) {
			case "manager":
				manager = plain(value)
			case "subresource":
				subresource = plain(value)
			case "fieldsV1":
				fields = value
			}
			return nil
		})
		if manager == c.manager && subresource == "" && fields != "" {
			*into = append(*into, strings.Clone(fields))
		}
		return err
	})
}

// writeMembers writes the members of an object that keep approves of. keep may
// write a member itself and answer false.
func writeMembers(out *strings.Builder, text string, keep func(key, value string) (bool, error)) error {
	out.WriteByte('{')
	err := members(text, func(key, value string) error {
		kept, err := keep(key, value)
		if kept {
			writeKey(out, key)
			out.WriteString(value)
		}
		return err
	})
	out.WriteByte('}')
	return err
}

// writeKey writes a comma where one is due, the key, and a colon.
func writeKey(out *strings.Builder, key string) {
	if written := out.String(); written[len(written)-1] != '{' {
		out.WriteByte(',')
	}
	out.WriteString(key)
	out.WriteByte(':')
}
