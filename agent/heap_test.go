package agent

import "testing"

// A heap may grow by heapRoom or to twice its size, whichever is more.
func TestHeapPercent(t *testing.T) {
	t.Parallel()
	for _, live := range []uint64{0, 1 << 20, 10 << 20, 15 << 20, 40 << 20, 64 << 20, 100 << 20, 2 << 30} {
		percent := heapPercent(live)
		grows := max(live, 4<<20) * uint64(percent) / 100
		if percent < 100 || grows > max(live, heapRoom) || grows < max(live, heapRoom)/2 {
			t.Errorf("%d MiB may grow by %d MiB (%d %%)", live>>20, grows>>20, percent)
		}
	}
}
