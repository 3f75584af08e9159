// Package search finds the cheapest assignment of values to variables, and
// proves it: a complete branch and bound over bit-set domains. It knows nothing
// of templates; the homing package compiles demands, candidates, constraints and
// objective into a Problem. All costs are integers, so that sums do not depend on
// the order of adding up and equal means equal. A rule easy to break: a Term's
// Low must never exceed the value of any assignment left in the domains, and must
// be exact when every one of its variables has one value left.
package search
