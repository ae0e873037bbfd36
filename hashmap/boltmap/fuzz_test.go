package boltmap

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/tabletest"
)

// FuzzDamage writes bytes over a file, makes its checksums right, and uses it.
// What is not found damaged must work: every record that iteration gives is
// found, and nothing panics, hangs, or ends the process.
func FuzzDamage(f *testing.F) {
	good := build(f, nil, append(tabletest.Mail(120), rec("big", strings.Repeat("b", 9000)))...)
	path := filepath.Join(f.TempDir(), "t.bolt")
	page := os.Getpagesize()
	f.Add([]byte{2, 8, 1}, uint16(0))
	f.Add([]byte{3, 16, 0, 3, 10, 1}, uint16(0))
	f.Add([]byte{0, 48, 3, 1, 48, 3, 4, 8, 16, 5, 12, 9}, uint16(0))
	f.Add([]byte{2, 24, 2}, uint16(9000))
	// patches are threes of page number, offset in the page and byte.
	f.Fuzz(func(t *testing.T, patches []byte, cut uint16) {
		if len(patches) > 60 {
			return
		}
		img := bytes.Clone(good)
		for ; len(patches) >= 3; patches = patches[3:] {
			img[int(patches[0])%(len(img)/page)*page+int(patches[1])] = patches[2]
		}
		if cut > 0 {
			img = img[:min(int(cut), len(img))]
		}
		seal(img)
		if err := os.WriteFile(path, img, 0o600); err != nil {
			t.Fatal(err)
		}
		use(t, path)
	})
}
