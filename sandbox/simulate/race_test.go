//go:build race

package simulate

// ordinarySeeds are played where no number is given. The race detector makes
// them slow.
const ordinarySeeds = 30
