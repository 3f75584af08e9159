// Package homing decides which candidate serves which demand: a template says
// what is demanded, under which constraints and what is best; an inventory says
// what there is. It reads templates (Parse), inventories (ParseInventory,
// FromEntities) and the wishes of service components (Generate), finds the best
// assignments and proves that they are (Solve), and says why (Explain). It never
// fetches, logs or reads the clock: answers of outside systems come as data in the
// Inventory or through Systems, time limits through a context. A rule easy to
// break: what is not known never satisfies a constraint, and says so in the notes.
package homing
