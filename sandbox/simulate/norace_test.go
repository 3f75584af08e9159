//go:build !race

package simulate

// ordinarySeeds are played where no number is given.
const ordinarySeeds = 250
