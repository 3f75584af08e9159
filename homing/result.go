package homing

// The values of Result.Status and Result.Proof.
const (
	StatusDone     = "done"
	StatusNotFound = "not found" // proved: no assignment satisfies the constraints
	StatusError    = "error"     // rejected, or stopped before anything was found
	ProofOptimal   = "optimal"   // nothing is better (or, for not found, nothing exists)
	ProofBound     = "bound"     // stopped at the time limit
)

// Result is the answer to a template. It marshals to the object that the command
// line prints.
type Result struct {
	Status string `json:"status"`
	// Objective is the value of the best recommendation; null without one. It
	// includes the penalties of soft constraints that are broken.
	Objective *float64 `json:"objective"`
	Proof     string   `json:"proof,omitempty"`
	// Bound is a value that no assignment beats; Gap is by how much the objective
	// misses it, relative to the objective (0.01 is one percent).
	Bound *float64 `json:"bound"`
	Gap   *float64 `json:"gap"`
	// Recommendations are the best assignments, best first.
	Recommendations []Recommendation `json:"recommendations"`
	// Removed counts, by demand and constraint, the candidates that the constraint
	// leaves no place for when it is looked at by itself.
	Removed map[string]map[string]int `json:"removed"`
	// Conflict names constraints that cannot hold together, while any of them left
	// out leaves the others possible; "optimization" stands for the values that the
	// objective needs. Filled in when nothing was found.
	Conflict []string     `json:"conflict"`
	Errors   []*PathError `json:"errors"`
	// ElapsedMillis is how long it took, if Options.Now is given.
	ElapsedMillis float64 `json:"elapsed_ms"`
	// Notes say what a reader should know: fields that candidates lack, outside
	// systems that did not answer.
	Notes []string `json:"notes,omitempty"`
	// RunnerUp is the second best assignment and why it lost, if asked for.
	RunnerUp *RunnerUp `json:"runner_up,omitempty"`
}

// Recommendation is one assignment that satisfies the constraints.
type Recommendation struct {
	Objective float64 `json:"objective"`
	// Assignment is the candidate's id for each demand.
	Assignment map[string]string `json:"assignment"`
	// Terms add up to the objective, where it is a sum.
	Terms []Term `json:"terms"`
	// Candidates are the chosen candidates with all their fields.
	Candidates map[string]map[string]any `json:"candidates"`
}

// Term is one part of the objective: Contribution = Weight × Value + Offset.
type Term struct {
	Function     string         `json:"function"`
	Params       map[string]any `json:"params,omitempty"`
	Value        float64        `json:"value"`
	Weight       float64        `json:"weight"`
	Offset       float64        `json:"offset,omitempty"`
	Contribution float64        `json:"contribution"`
	Operands     []Term         `json:"operands,omitempty"`
}

// RunnerUp is the best assignment but one.
type RunnerUp struct {
	Objective  float64           `json:"objective"`
	Assignment map[string]string `json:"assignment"`
	Terms      []Term            `json:"terms"`
	// Why says what makes it worse than the best, term by term.
	Why []string `json:"why"`
}

// Rejected is the result for a template or inventory with errors.
func Rejected(errors []*PathError) Result {
	return Result{
		Status: StatusError, Recommendations: []Recommendation{}, Removed: map[string]map[string]int{}, Conflict: []string{}, Errors: errors,
	}
}
