package mapping

import "slices"

// Info is one mapping of a set, for lists.
type Info struct {
	Name, Description string
	// File is the name of the mapping's source.
	File     string
	Priority int
	// Kinds are the kinds of the objects that it can render, each once, in the order of the file.
	Kinds []string
}

// Mappings are all of the set, in the order in which they are preferred. The caller owns the slice.
func (s *Set) Mappings() []Info {
	infos := make([]Info, 0, len(s.mappings))
	for _, m := range s.mappings {
		info := Info{Name: m.name, Description: m.description, File: m.file, Priority: m.priority}
		for _, o := range m.objects {
			if !slices.Contains(info.Kinds, o.kind.Kind) {
				info.Kinds = append(info.Kinds, o.kind.Kind)
			}
		}
		infos = append(infos, info)
	}
	return infos
}
