package bdb

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// terminated is a table as postmap stores it: each string with a zero byte.
func terminated(m map[string]string) (ps []pair) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		ps = append(ps, pair{key + "\x00", m[key] + "\x00"})
	}
	return ps
}

// queryAll asks the real postmap for every key of a table.
func queryAll(t testing.TB, real *realpostfix.Tools, kind Kind, path string, m map[string]string) {
	t.Helper()
	keys := slices.Sorted(maps.Keys(m))
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	res := real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-q", "-", kind.String() + ":" + strings.TrimSuffix(path, ".db")},
		Stdin: strings.Join(keys, "\n") + "\n"})
	if len(keys) > 0 && res.Exit != 0 {
		t.Fatalf("postmap -q -: exit %d, %.300s", res.Exit, res.Stderr)
	}
	got := map[string]string{}
	for line := range strings.Lines(res.Stdout) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		got[key] = value
	}
	if !maps.Equal(got, m) {
		t.Fatalf("postmap -q -: answers for %d of %d keys", len(got), len(m))
	}
}

// change applies the updates of one side to the file: lines of keys to delete,
// and of entries to add or replace.
type change struct {
	deletes []string
	puts    map[string]string
}

func (c change) byPostmap(t testing.TB, real *realpostfix.Tools, kind Kind, path string) {
	t.Helper()
	name := kind.String() + ":" + strings.TrimSuffix(path, ".db")
	if len(c.deletes) > 0 {
		real.Run(realpostfix.Call{Name: "postmap", Args: []string{"-d", "-", name}, Stdin: strings.Join(c.deletes, "\n") + "\n"})
	}
	var in strings.Builder
	for key, value := range c.puts {
		fmt.Fprintf(&in, "%s %s\n", key, value)
	}
	if len(c.puts) > 0 {
		real.MustRun(realpostfix.Call{Name: "postmap", Args: []string{"-r", "-i", name}, Stdin: in.String()})
	}
}

func (c change) byUs(t testing.TB, path string) {
	t.Helper()
	r, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	u, err := r.Update()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range c.deletes {
		if _, err := u.Delete([]byte(key + "\x00")); err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range c.puts {
		if _, err := u.Put([]byte(key+"\x00"), []byte(value+"\x00")); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		t.Fatal(err)
	}
	if err := u.CopyTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		t.Fatal(err)
	}
}

// TestRealAlternating lets the real postmap and us change one file in turns,
// 2,000 updates in all, and compares with a map after every hundred.
func TestRealAlternating(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "db5.3_verify", "db5.3_dump", "map:hash", "map:btree")
	perTurn := 20
	if long() {
		perTurn = 1
	}
	for _, kind := range []Kind{Hash, Btree} {
		for _, start := range []string{"ours", "libdb"} {
			t.Run(kind.String()+"/"+start, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "table.db")
				want := map[string]string{}
				turns := 400
				if !long() && (kind == Hash) != (start == "ours") {
					turns = 60
				}
				for i := range turns {
					want[fmt.Sprintf("user%d@example.org", i)] = fmt.Sprint("start", i)
				}
				if start == "ours" {
					if err := os.WriteFile(path, build(t, kind, nil, terminated(want)), 0o644); err != nil {
						t.Fatal(err)
					}
				} else {
					change{puts: want}.byPostmap(t, real, kind, path)
				}
				rnd := rand.New(rand.NewPCG(9, uint64(kind)))
				for turn, updates := 0, 0; updates < 2000; turn++ {
					c := change{puts: map[string]string{}}
					for range perTurn {
						key := fmt.Sprintf("user%d@example.org", rnd.IntN(2500))
						if rnd.IntN(40) == 0 {
							key = strings.Repeat("k", 900+rnd.IntN(2000))
						}
						switch _, twice := c.puts[key]; {
						case rnd.IntN(3) == 0 && !twice && !slices.Contains(c.deletes, key):
							c.deletes = append(c.deletes, key)
						case !slices.Contains(c.deletes, key):
							c.puts[key] = strings.Repeat("v", 1+rnd.IntN(1+rnd.IntN(1+rnd.IntN(6000)))) + fmt.Sprint(updates)
						}
					}
					for _, key := range c.deletes {
						delete(want, key)
					}
					maps.Copy(want, c.puts)
					if turn%2 == 0 {
						c.byPostmap(t, real, kind, path)
					} else {
						c.byUs(t, path)
					}
					updates += perTurn
					if updates%100 != 0 {
						continue
					}
					r, err := Open(path, nil)
					if err != nil {
						t.Fatal(err)
					}
					got := mustAll(t, r)
					if !slices.Equal(sorted(got), terminated(want)) {
						t.Fatalf("after %d updates: %d records, want %d", updates, len(got), len(want))
					}
					if err := r.Check(t.Context(), nil); err != nil {
						t.Fatalf("after %d updates: %v", updates, err)
					}
					r.Close()
					judgeFile(t, real, path, got)
				}
				queryAll(t, real, kind, path, want)
			})
		}
	}
}

// TestRealPostmap builds tables for the real postmap to query and to change.
func TestRealPostmap(t *testing.T) {
	real := realpostfix.Need(t, "postmap", "db5.3_verify", "db5.3_dump", "map:hash", "map:btree")
	sizes := []int{0, 1, 2, 100, 10_000}
	if long() {
		sizes = append(sizes, 1_000_000)
	}
	layouts(func(name string, kind Kind, opts BuildOptions) {
		if !long() && opts.PageSize != 512 && opts.PageSize != 4096 || opts.BigEndian != opts.Checksums {
			return
		}
		for _, n := range sizes {
			if n > 100 && opts.PageSize != 4096 || n > 10_000 && opts.BigEndian {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				if n < 1_000_000 {
					t.Parallel()
				}
				want := map[string]string{}
				for i := range n {
					want[fmt.Sprintf("user%d@example%d.org", i, i%17)] = fmt.Sprint("mailbox", i)
					if i < 90 { // around the limits
						want[strings.Repeat("k", opts.PageSize/4-45+i)] = strings.Repeat("v", opts.PageSize/4-45+i)
						want[fmt.Sprint("page", i)] = strings.Repeat("v", opts.PageSize-70+i)
					}
				}
				if n == 10_000 {
					want["megabytes"] = strings.Repeat("V", 5<<20)
					want[strings.Repeat("k", 70_000)] = "long"
				}
				path := filepath.Join(t.TempDir(), "table.db")
				if err := os.WriteFile(path, build(t, kind, &opts, terminated(want)), 0o644); err != nil {
					t.Fatal(err)
				}
				queryAll(t, real, kind, path, want)
				c := change{puts: map[string]string{}}
				for key := range want {
					if len(c.deletes) < min(700, n/2) {
						c.deletes = append(c.deletes, key)
					} else if len(c.puts) < 700 {
						c.puts[key] = "changed"
					}
				}
				for i := range 1500 {
					c.puts[fmt.Sprintf("new%d@example.com", i)] = strings.Repeat("n", 1+i)
				}
				c.byPostmap(t, real, kind, path)
				for _, key := range c.deletes {
					delete(want, key)
				}
				maps.Copy(want, c.puts)
				r, err := Open(path, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				got := mustAll(t, r)
				if !slices.Equal(sorted(got), terminated(want)) {
					t.Fatalf("%d records, want %d", len(got), len(want))
				}
				if err := r.Check(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				judgeFile(t, real, path, got)
				queryAll(t, real, kind, path, want)
			})
		}
	})
}
