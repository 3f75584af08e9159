package agent

import (
	"runtime"
	"runtime/debug"
	read "runtime/metrics"
)

// heapRoom is what the heap may grow by between two garbage collections, however
// small it is. A small heap is otherwise collected many times a second while
// components are made: an eighth of the work.
const heapRoom = 64 << 20

// giveHeapRoom has collections come when the heap has grown by heapRoom or to
// twice its size, whichever is later. The process keeps it up for its life.
func giveHeapRoom() {
	live := []read.Sample{{Name: "/gc/heap/live:bytes"}}
	percent := 0
	var collected func(*[16]byte)
	again := func() { runtime.SetFinalizer(new([16]byte), collected) } // runs after the next collection
	collected = func(*[16]byte) {
		read.Read(live)
		if now := heapPercent(live[0].Value.Uint64()); now != percent {
			percent = now
			debug.SetGCPercent(percent)
		}
		again()
	}
	collected(nil)
}

// heapPercent is GOGC for a heap with so much in it, in coarse steps: to set it
// stops the program for a moment.
func heapPercent(live uint64) int {
	percent := 100 * heapRoom / max(live, 4<<20)
	return int(max(100, percent/50*50))
}
