// Package manual types what the documents tell their readers to type, on one machine: a copy of the checkout, a
// real API server, the embedded broker and the programs that ship. Its tests execute every command of every page
// but those that need Helm, which the tests of the module install execute by the same means. docs/commands.yaml lists
// the commands that are typed in another form than the one on the page.
package manual
