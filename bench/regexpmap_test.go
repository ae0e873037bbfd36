package bench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postfixkit/postfixkit/internal/realpostfix"
	"github.com/postfixkit/postfixkit/regexpmap"
)

type patternRule struct{ pattern, flags string }

var corpusRules sync.Map // of patternRule, by workload

// rules returns the patterns of the corpus that are of a workload.
func (w *patternWorkload) rules(tb testing.TB) []patternRule {
	if rules, ok := corpusRules.Load(w); ok {
		return rules.([]patternRule)
	}
	d, keys := w.dialect, w.keys()
	files, err := filepath.Glob("../regexpmap/testdata/corpus/*.*")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no corpus: %v", err)
	}
	var rules []patternRule
	seen := map[string]bool{}
	for _, file := range files {
		wanted := false
		for _, word := range w.files {
			wanted = wanted || strings.Contains(file, word)
		}
		if !wanted || strings.HasSuffix(file, ".tsv") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		table, _ := regexpmap.Parse(file, src, d, nil)
		for r := range table.Rules() {
			if strings.ContainsAny(r.Pattern, "/\n") || r.Negated || r.And != nil || seen[r.Pattern] || len(r.Pattern) < 8 {
				continue
			}
			seen[r.Pattern] = true
			rules = append(rules, patternRule{r.Pattern, r.Flags})
		}
	}
	r := rand.New(rand.NewPCG(42, 1))
	// A rule that many ordinary keys match would end most searches.
	var sample []string
	for i := 0; i < len(keys); i += len(keys) / 300 {
		sample = append(sample, keys[i])
	}
	common := func(p patternRule) bool {
		one, _ := regexpmap.Parse("one", fmt.Appendf(nil, "/%s/%s x\n", p.pattern, p.flags), d, &regexpmap.Options{NoPrefilter: true})
		hits := 0
		for _, key := range sample {
			if _, ok, _ := one.Lookup(context.Background(), key); ok {
				hits++
			}
		}
		return hits > 1
	}
	kept := rules[:0]
	for _, p := range rules {
		if !common(p) {
			kept = append(kept, p)
		}
	}
	rules = kept
	r.Shuffle(len(rules), func(i, j int) { rules[i], rules[j] = rules[j], rules[i] })
	corpusRules.Store(w, rules)
	return rules
}

// table writes n rules of a workload; when the corpus has not enough, words in
// the patterns are replaced by others. No two patterns are the same.
func (w *patternWorkload) table(tb testing.TB, n int) []byte {
	rules := w.rules(tb)
	var out bytes.Buffer
	written := map[string]bool{}
	for i := 0; len(written) < n; i++ {
		p := rules[i%len(rules)]
		if i >= len(rules) {
			p.pattern = otherWords(p.pattern, i)
		}
		if written[p.pattern] { // it has no words that could be others
			continue
		}
		fmt.Fprintf(&out, "/%s/%s REJECT rule %d\n", p.pattern, p.flags, len(written))
		written[p.pattern] = true
	}
	return out.Bytes()
}

// withHits returns keys in which one of fifty matches a rule: its pattern
// without what is special in it.
func withHits(keys []string, table *regexpmap.Table) []string {
	plain := strings.NewReplacer(".*", " ", "\\.", ".", "\\b", "", "\\s+", " ", "\\s*", "", "^", "", "$", "", "\\", "", "(", "", ")", "", "[[:space:]]", " ", "[0-9]+", "7", "{1,3}", "", "[0-9]", "7", "?", "", "+", "", "(.*)", "")
	var texts []string
	for r := range table.Rules() {
		pattern, _, _ := strings.Cut(r.Pattern, "|")
		text := plain.Replace(pattern)
		if _, ok, _ := table.Lookup(context.Background(), text); ok && !strings.ContainsAny(text, "\t\n") {
			texts = append(texts, text)
		}
	}
	keys = slices.Clone(keys)
	if len(texts) > 0 {
		for i := 0; i < len(keys); i += 50 {
			keys[i] = texts[i/50*7919%len(texts)]
		}
	}
	return keys
}

// otherWords changes the letters of the longer words of a pattern, but not
// those of header names, escapes and classes.
func otherWords(pattern string, seed int) string {
	r := rand.New(rand.NewPCG(uint64(seed), 7))
	b := []byte(pattern)
	for i := 0; i < len(b); {
		j := i
		for j < len(b) && (b[j] >= 'a' && b[j] <= 'z' || b[j] >= 'A' && b[j] <= 'Z') {
			j++
		}
		plain := j-i >= 4 && (i == 0 || b[i-1] != '\\' && b[i-1] != ':' && b[i-1] != '[' && b[i-1] != '^') && (j == len(b) || b[j] != ':')
		if plain {
			for k := i + 1; k < j; k++ {
				b[k] = "etaoinsrhldcumfpgwybv"[r.IntN(21)]
			}
		}
		i = j + 1
	}
	return string(b)
}

// headerLines returns n header lines as mail has them.
var headerLines = sync.OnceValue(func() []string {
	r := rand.New(rand.NewPCG(9, 9))
	words := strings.Fields(`the a your our meeting minutes invoice report account order shipping update weekly news summer holiday project budget
		review team schedule please find attached regarding question about new release version server backup failed success daily summary free offer
		money credit loan approved winner prize click here unsubscribe mailing list digest issue patch build test security advisory password reset
		confirm address subscription payment received thank you for contact support ticket closed reopened urgent important reminder tomorrow today
		monday tuesday friday photo video music download software license online pharmacy watches university diploma dear friend hello re fwd`)
	hosts := strings.Fields("mail mx smtp relay out mta web host node srv gw proxy")
	domains := strings.Fields("example.com example.net example.org lists.example.edu corp.example.co.uk mailer.example.de dyn.example.fr")
	names := strings.Fields("Alice Bob Carol Dave Erin Frank Grace Heidi Ivan Judy Mallory Olivia Peggy Rupert Sybil Trent Walter")
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	text := func(n int) string {
		var out []string
		for range n {
			out = append(out, pick(words))
		}
		return strings.Join(out, " ")
	}
	address := func() string {
		return fmt.Sprintf("%s.%d@%s", strings.ToLower(pick(names)), r.IntN(1000), pick(domains))
	}
	ip := func() string { return fmt.Sprintf("%d.%d.%d.%d", r.IntN(223)+1, r.IntN(256), r.IntN(256), r.IntN(256)) }
	var out []string
	for range 20000 {
		var line string
		switch r.IntN(16) {
		case 0, 1:
			line = "Subject: " + text(3+r.IntN(7))
		case 2:
			line = fmt.Sprintf("From: %s %s <%s>", pick(names), pick(names), address())
		case 3:
			line = fmt.Sprintf("To: %s, %s", address(), address())
		case 4, 5, 6:
			line = fmt.Sprintf("Received: from %s%d.%s (unknown [%s]) by %s.%s (Postfix) with ESMTP id %X for <%s>; Mon, 21 Nov 2022 %02d:%02d:%02d +0100",
				pick(hosts), r.IntN(20), pick(domains), ip(), pick(hosts), pick(domains), r.Uint64()>>20, address(), r.IntN(24), r.IntN(60), r.IntN(60))
		case 7:
			line = fmt.Sprintf("Message-ID: <%X.%d@%s>", r.Uint64(), r.IntN(1e6), pick(domains))
		case 8:
			line = "Content-Type: " + pick([]string{"text/plain; charset=utf-8", "text/html; charset=\"iso-8859-1\"", "multipart/alternative; boundary=\"----=_Part_1234\"", "application/pdf; name=\"report.pdf\""})
		case 9:
			line = fmt.Sprintf("DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s; s=default; t=%d; h=from:to:subject:date; bh=%X%X=", pick(domains), r.IntN(1e9), r.Uint64(), r.Uint64())
		case 10:
			line = "X-Mailer: " + pick([]string{"Microsoft Outlook 16.0", "Apple Mail (2.3445.104.11)", "The Bat! (v3.0) Professional", "Evolution 3.46.1", "PHPMailer 6.6.0"})
		case 11:
			line = fmt.Sprintf("List-Unsubscribe: <https://%s/u/%X>, <mailto:leave-%d@%s>", pick(domains), r.Uint64(), r.IntN(1000), pick(domains))
		case 12:
			line = fmt.Sprintf("Date: Mon, %d Nov 2022 %02d:%02d:%02d +0000", 1+r.IntN(30), r.IntN(24), r.IntN(60), r.IntN(60))
		case 13:
			line = "Content-Disposition: attachment; filename=\"" + strings.ReplaceAll(text(2), " ", "_") + pick([]string{".pdf", ".docx", ".jpg", ".exe", ".zip"}) + "\""
		case 14:
			line = fmt.Sprintf("X-Spam-Status: No, score=%d.%d required=5.0 tests=[BAYES_00=-1.9, SPF_PASS=-0.001] autolearn=ham", r.IntN(5), r.IntN(10))
		default:
			line = "References: <" + address() + "> <" + address() + ">"
		}
		out = append(out, line)
	}
	return out
})

// hostNames returns reverse-DNS names as clients have them.
var hostNames = sync.OnceValue(func() []string {
	r := rand.New(rand.NewPCG(8, 8))
	shapes := []string{"adsl-%d-%d-%d-%d.dsl.example.net", "%d.%d.%d.%d.static.example.com", "host-%d-%d-%d-%d.dynamic.example.org", "c-%d-%d-%d-%d.hsd1.wa.comcast.net",
		"pool-%d-%d-%d-%d.nycmny.fios.verizon.net", "ip%d-%d-%d-%d.cable.example.de", "mail%d%.0s%.0s%.0s.example.com", "mx%d.lists%d%.0s%.0s.example.org",
		"p%02X%02X%02X%02X.dip0.t-ipconnect.de", "ec2-%d-%d-%d-%d.compute-1.amazonaws.com", "%d-%d-%d-%d.rev.poneytelecom.eu", "smtp%d.corp%d%.0s%.0s.example.co.uk"}
	var out []string
	for range 20000 {
		out = append(out, fmt.Sprintf(shapes[r.IntN(len(shapes))], r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(256)))
	}
	return out
})

type patternWorkload struct {
	name    string
	dialect regexpmap.Dialect
	files   []string
	keys    func() []string
	sample  map[int]int // rules -> keys postmap is asked
}

var patternWorkloads = []*patternWorkload{
	{"headers", regexpmap.POSIX, []string{"header-checks", "body-checks", "headers-checks"}, headerLines, map[int]int{10: 20000, 100: 20000, 1000: 1500, 10000: 60}},
	{"headers", regexpmap.PCRE, []string{"header-checks", "body-checks", "headers-checks"}, headerLines, map[int]int{10: 20000, 100: 20000, 1000: 3000, 10000: 200}},
	{"hosts", regexpmap.PCRE, []string{"fqrdns", "helo-access"}, hostNames, map[int]int{10: 20000, 100: 20000, 1000: 10000, 10000: 1500}},
}

// BenchmarkPatternTable looks keys up in tables of 10 to 10,000 patterns, ours
// and the real postmap's one after the other, and checks that both find the
// same. Both are measured in processor time; postmap's is that of a run less
// that of a run with one key.
func BenchmarkPatternTable(b *testing.B) {
	for _, w := range patternWorkloads {
		for _, n := range []int{10, 100, 1000, 10000} {
			group := fmt.Sprintf("%s/%s/n=%d/", w.name, w.dialect, n)
			var once sync.Once
			var table *regexpmap.Table
			var keys []string
			var name string
			setup := func(b *testing.B) {
				once.Do(func() {
					src := w.table(b, n)
					dir, err := os.MkdirTemp("", "patterns")
					if err != nil {
						b.Fatal(err)
					}
					name = filepath.Join(dir, "table")
					if err := os.WriteFile(name, src, 0o644); err != nil {
						b.Fatal(err)
					}
					table, _ = regexpmap.Parse(name, src, w.dialect, nil)
					keys = withHits(w.keys(), table)
				})
			}
			b.Run(group+"postfixkit", func(b *testing.B) {
				setup(b)
				asBytes := make([][]byte, len(keys))
				for i, key := range keys {
					asBytes[i] = []byte(key)
				}
				var dst []byte
				found := 0
				look := func(key []byte) {
					var ok bool
					if dst, ok, _ = table.AppendLookup(dst[:0], key); ok {
						found++
					}
				}
				for _, key := range asBytes { // engines are built on first use
					look(key)
				}
				b.ReportAllocs()
				b.ResetTimer()
				start := cpuTime()
				for i := 0; b.Loop(); i++ {
					look(asBytes[i%len(asBytes)])
				}
				b.ReportMetric(float64(b.N)/(cpuTime()-start).Seconds(), "lookups/cpu-s")
				b.ReportMetric(100*float64(found)/float64(b.N+len(keys)), "%found")
			})
			b.Run(group+"postmap", func(b *testing.B) {
				setup(b)
				tools := realpostfix.Need(b, "postmap")
				var some []string
				for _, i := range rand.New(rand.NewPCG(3, 3)).Perm(len(keys))[:w.sample[n]] {
					some = append(some, keys[i])
				}
				ask := func(stdin string) (stdout string, cpu time.Duration) {
					cmd := tools.Command(context.Background(), "postmap", "-q", "-", w.dialect.String()+":"+name)
					cmd.Stdin = strings.NewReader(stdin)
					out, err := cmd.Output()
					if cmd.ProcessState == nil {
						b.Fatal(err)
					}
					return string(out), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
				}
				startup := time.Hour // of a run with one key, the fastest of some
				for range 5 {
					_, took := ask("-\n")
					startup = min(startup, took)
				}
				var busy time.Duration
				var out string
				for b.Loop() {
					var took time.Duration
					out, took = ask(strings.Join(some, "\n") + "\n")
					busy += max(took-startup, time.Microsecond)
				}
				b.ReportMetric(float64(b.N*len(some))/busy.Seconds(), "lookups/cpu-s")
				var ours strings.Builder
				for _, key := range some {
					if v, ok, _ := table.Lookup(context.Background(), key); ok {
						ours.WriteString(key + "\t" + v + "\n")
					}
				}
				if ours.String() != out {
					b.Errorf("answers differ from postmap's")
				}
			})
		}
	}
}

// BenchmarkPatternParse reads tables of 10,000 patterns. MB-peak is the most
// memory in use while that is done, garbage included, and MB-kept what the
// table needs; MB-used is that after all keys have been looked up, when the
// engines of the rules they needed exist.
func BenchmarkPatternParse(b *testing.B) {
	for _, w := range patternWorkloads {
		b.Run(fmt.Sprintf("%s/%s/n=10000/postfixkit", w.name, w.dialect), func(b *testing.B) {
			src := w.table(b, 10000)
			runtime.GC()
			before := heapInUse()
			after := func() float64 {
				runtime.GC()
				return float64(heapInUse()-min(before, heapInUse())) / 1e6
			}
			var table *regexpmap.Table
			var most uint64
			var took time.Duration
			for b.Loop() {
				table = nil
				peak := newPeak()
				start := cpuTime()
				table, _ = regexpmap.Parse("t", src, w.dialect, nil)
				took += cpuTime() - start
				most = max(most, peak.stop())
			}
			b.ReportMetric(took.Seconds()/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(most)/1e6, "MB-peak")
			b.ReportMetric(after(), "MB-kept")
			for _, key := range withHits(w.keys(), table) {
				table.Lookup(context.Background(), key)
			}
			b.ReportMetric(after(), "MB-used")
			runtime.KeepAlive(table)
		})
	}
}
