// Package plans is the plan API of homing: a template is handed in, solved beside
// the loop, and its recommendations are asked for later. Plans are entities of the
// broker (type HomingPlan) and nowhere else, so they outlive the agent; one that was
// not finished is taken up again. A rule easy to break: a plan is changed only by
// the agent that owns it, and a template with errors never becomes one.
package plans
