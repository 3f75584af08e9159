package systems

import (
	"bytes"
	"testing"
)

// FuzzFile reads any table of systems. Slashes are taken out, so that no file of this machine is read.
func FuzzFile(f *testing.F) {
	f.Add([]byte("systems:\n- {name: a, kind: vim, entities: {type: T, candidate: c, amounts: {vCPU: cpu}}, timeout: 3s}"))
	f.Add([]byte("systems: &a [{name: '*', kind: license, entities: *a}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		data = bytes.ReplaceAll(data, []byte("/"), []byte("_"))
		set, err := New(data, Config{})
		if (set == nil) != (err != nil) {
			t.Fatalf("set %v, error %v", set, err)
		}
	})
}
