package bench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postfixkit/postfixkit/cidrmap"
	"github.com/postfixkit/postfixkit/internal/realpostfix"
)

// cidrNetworks makes a table of n networks, none twice, and addresses to look up:
// one of three is in none.
func cidrNetworks(n int) (src []byte, keys []string) {
	r := rand.New(rand.NewPCG(uint64(n), 7))
	var b bytes.Buffer
	seen := map[netip.Prefix]bool{}
	for len(seen) < n {
		u := r.Uint32()
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(u >> 24), byte(u >> 16), byte(u >> 8), byte(u)}), 18+r.IntN(15)).Masked()
		if seen[p] {
			continue
		}
		seen[p] = true
		fmt.Fprintf(&b, "%s\tREJECT %d\n", p, len(seen))
		if len(keys) < 200_000 {
			keys = append(keys, p.Addr().String(), p.Addr().Next().String(), netip.AddrFrom4([4]byte{127, byte(u), byte(u >> 8), 1}).String())
		}
	}
	// postmap finds the first rules soonest.
	r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	// They are read one after the other, and do not take the cache from the table.
	all := strings.Join(keys, "")
	for i, key := range keys {
		keys[i], all = all[:len(key)], all[len(key):]
	}
	return b.Bytes(), keys
}

// BenchmarkCIDR loads a cidr: table and looks up addresses given as text.
// postmap is a process of its own each time: ns/lookup is what a lookup adds to
// loading. With POSTFIXKIT_LONG=1 there are up to a million networks.
func BenchmarkCIDR(b *testing.B) {
	sizes, many := map[int]int{1_000: 50_000, 10_000: 5_000}, 100_000 // networks, lookups of postmap, and ours
	if os.Getenv("POSTFIXKIT_LONG") != "" {
		sizes[1_000], sizes[10_000], sizes[100_000], sizes[1_000_000], many = 100_000, 10_000, 2_000, 400, 1_000_000
	}
	for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
		lookups := sizes[n]
		if lookups == 0 {
			continue
		}
		src, keys := cidrNetworks(n)
		path := filepath.Join(b.TempDir(), fmt.Sprintf("%d.cidr", n))
		if err := os.WriteFile(path, src, 0o644); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("n=%d/postfixkit", n), func(b *testing.B) {
			for b.Loop() {
				start := b.Elapsed()
				t, err := cidrmap.ParseFile(nil, path)
				if err != nil {
					b.Fatal(err)
				}
				loaded := b.Elapsed() - start
				for i := range many {
					t.Lookup(context.Background(), keys[i%len(keys)])
				}
				b.ReportMetric(float64(loaded.Milliseconds()), "load-ms")
				b.ReportMetric(float64((b.Elapsed()-start-loaded).Nanoseconds())/float64(many), "ns/lookup")
			}
		})
		b.Run(fmt.Sprintf("n=%d/postmap", n), func(b *testing.B) {
			tools := realpostfix.Need(b, "postmap")
			run := func(in string) {
				cmd := tools.Command(context.Background(), "postmap", "-q", "-", "cidr:"+path)
				cmd.Stdin = strings.NewReader(in)
				// Exit status 1: nothing was found.
				if out, err := cmd.Output(); err != nil && cmd.ProcessState.ExitCode() != 1 {
					b.Fatalf("postmap: %v\n%s", err, out)
				}
			}
			var in strings.Builder
			for i := range lookups {
				in.WriteString(keys[i%len(keys)] + "\n")
			}
			for b.Loop() {
				start := b.Elapsed()
				run(keys[0] + "\n")
				loaded := b.Elapsed() - start
				run(in.String())
				b.ReportMetric(float64(loaded.Milliseconds()), "load-ms")
				b.ReportMetric(float64((b.Elapsed()-start-2*loaded).Nanoseconds())/float64(lookups), "ns/lookup")
			}
		})
	}
}
