// Package mapping turns entities into cluster objects and reads the state of such objects back: the
// steps "render" and "observe" of a change's path. No kind of object is known to the code: which
// components become which objects is said by mapping files, of which the program brings some
// (mappings/*.yaml). Rendering reads nothing but its arguments: the same entities always render the same
// bytes, whatever the clock or the order of a map says.
//
// A file is checked as a whole when it is loaded (Load, Lint) and becomes a Set. The conditions of its
// mappings choose one for a component, its templates are plain YAML with CEL expressions in ${ }, and its
// status rules are CEL over the live object. A value that is absent drops its field. The values of
// attributes are values of the expression language and never become text of a template or of an
// expression, so that none can leave the field that it was meant for.
//
// A Policy is asked after rendering: it refuses objects of kinds and namespaces that are not allowed, and what
// reaches out of its pod, whichever mapping made it. Render knows nothing of it, so that a refused object can be
// looked at.
//
// What is rendered may hold registry credentials in clear, because the operators of the aerOS kinds
// read them there. They must not reach an error, a warning or a log line, so no message of this
// package quotes the value of a variable, an argument or a credential; what the expression library says
// of a failure is shown only where it holds no value.
package mapping
