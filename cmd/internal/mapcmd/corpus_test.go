//go:build unix

package mapcmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// TestCorpusBothWays builds every file of the corpus with both programs and
// lets each read the other's table. db5.3_verify has to be silent about ours.
func TestCorpusBothWays(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "map:hash", "map:btree", "db5.3_verify")
	ours := filepath.Join(buildTools(t), "postmap")
	files, err := filepath.Glob("../../../textmap/testdata/corpus/*")
	if err != nil || len(files) < 30 {
		t.Fatalf("corpus: %d files, %v", len(files), err)
	}
	run := func(program string, args ...string) string {
		t.Helper()
		cmd := exec.Command(program, append([]string{"-c", real.ConfigDir}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s %q: %v", program, args, err)
		}
		return string(out)
	}
	for _, typ := range []string{"hash", "btree"} {
		for i, file := range files {
			if typ == "btree" && i%4 != 0 && os.Getenv("POSTFIXKIT_LONG") == "" {
				continue
			}
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			theirs, mine := filepath.Join(dir, "theirs"), filepath.Join(dir, "mine")
			for _, path := range []string{theirs, mine} {
				if err := os.WriteFile(path, src, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			run(real.Path("postmap"), typ+":"+theirs)
			run(ours, typ+":"+mine)
			if out, err := exec.Command(real.Path("db5.3_verify"), "-q", mine+".db").CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: db5.3_verify: %v\n%s", file, err, out)
			}
			want := sortLines(run(real.Path("postmap"), "-s", typ+":"+theirs))
			for what, got := range map[string]string{
				"real reads ours": run(real.Path("postmap"), "-s", typ+":"+mine),
				"ours reads real": run(ours, "-s", typ+":"+theirs),
				"ours reads ours": run(ours, "-s", typ+":"+mine),
			} {
				if sortLines(got) != want {
					t.Errorf("%s %s: %s:\n%.400q\nwant\n%.400q", typ, file, what, got, want)
				}
			}
		}
	}
	t.Logf("%d files, both ways", len(files))
}
