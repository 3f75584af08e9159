package llo

import "time"

// Hurry shortens the pauses between attempts to list.
func (c *Cluster) Hurry() {
	c.pauses = pauses{10 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond}
}
