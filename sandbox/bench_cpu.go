package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of processor times in /proc.
const clockTick = 10 * time.Millisecond

// processorTime is what this process and everything that it has started, the
// API server, etcd and the agent, have used so far. On a machine that others
// use too it tells more than the clock does.
func processorTime() (time.Duration, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	used, children := map[int]time.Duration{}, map[int][]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // ended since
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file))) // the pattern lets digits through only
		_, after, _ := strings.Cut(string(text), ") ")
		var parent, user, system int
		var skip string
		_, err = fmt.Sscan(after, &skip, &parent, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &skip, &user, &system)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", file, err)
		}
		used[pid] = time.Duration(user+system) * clockTick
		children[parent] = append(children[parent], pid)
	}
	total := time.Duration(0)
	for family := []int{os.Getpid()}; len(family) > 0; family = family[1:] {
		total += used[family[0]]
		family = append(family, children[family[0]]...)
	}
	return total, nil
}
