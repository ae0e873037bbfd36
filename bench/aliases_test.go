package bench_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/postfixkit/postfixkit/aliases"
	"github.com/postfixkit/postfixkit/hashmap"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// aliasSource makes an alias file of n lines with every kind of target.
func aliasSource(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "user%08d: mailbox%d@backend%d.example.net, copies\n", i, i%1000, i%7)
		case 1:
			fmt.Fprintf(&b, "User.%08d:\tuser%08d,\n\t\"|/usr/bin/filter -u %d\"\n", i, i-1, i)
		case 2:
			fmt.Fprintf(&b, "\"list %08d\": :include:/etc/mail/lists/%d (a list)\n", i, i)
		case 3:
			fmt.Fprintf(&b, "# a comment\narchive%08d: /var/mail/archive/%d\n", i, i)
		}
	}
	return b.Bytes()
}

// BenchmarkAliases builds a hash table from an alias file, in memory-backed
// files where there are some. The last contestant only reads the file, which is
// the share of this in the whole.
func BenchmarkAliases(b *testing.B) {
	for _, n := range sizes() {
		src := aliasSource(n)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			path := filepath.Join(shared(b), "aliases")
			if err := os.WriteFile(path, src, 0o644); err != nil {
				b.Fatal(err)
			}
			b.Run("postfixkit", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					t := hashmap.NewBuilder(hashmap.Hash, &hashmap.BuildOptions{Duplicates: hashmap.KeepFirst})
					if err := t.AddSource(path, aliases.NewScanner(path, bytes.NewReader(src), nil)); err != nil {
						b.Fatal(err)
					}
					if _, err := t.WriteFile(context.Background(), path+".db"); err != nil || t.Len() != n {
						b.Fatal(t.Len(), err)
					}
				}
			})
			b.Run("postalias", func(b *testing.B) {
				real := realpostfix.Need(b, "postalias", "map:hash")
				for b.Loop() {
					real.MustRun(realpostfix.Call{Name: "postalias", Args: []string{"hash:" + path}})
				}
			})
			b.Run("scan-only", func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				b.ReportAllocs()
				for b.Loop() {
					s, count := aliases.NewScanner(path, io.Reader(bytes.NewReader(src)), nil), 0
					for s.Scan() {
						count++
					}
					if count != n || s.Err() != nil {
						b.Fatal(count, s.Err())
					}
				}
			})
		})
	}
}
