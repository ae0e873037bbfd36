package literal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// findSlowly is the simple version.
func findSlowly(lits []Literal, text string, anyEnd bool) (ids []int32) {
	text = string(AppendLower(nil, []byte(text)))
	for _, l := range lits {
		ok := false
		for at := 0; at+len(l.Text) <= len(text); at++ {
			end := at + len(l.Text)
			if text[at:end] == l.Text && (!l.Prefix || at == 0) && (!l.Suffix || end == len(text) || anyEnd && end == len(text)-1) {
				ok = true
			}
		}
		if ok {
			ids = append(ids, l.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func check(t *testing.T, lits []Literal, text string, anyEnd bool) {
	t.Helper()
	var w Windows
	for _, l := range lits {
		w.Count(l.Text)
	}
	got := New(lits, &w).Find(nil, []byte(text), anyEnd)
	slices.Sort(got)
	got = slices.Compact(got)
	if want := findSlowly(lits, text, anyEnd); !slices.Equal(got, want) {
		t.Errorf("%+v in %q: %v, want %v", lits, text, got, want)
	}
}

// literals makes a set from bytes: a flag and a length, then the text.
func literals(data []byte) (lits []Literal) {
	for len(data) > 1 && len(lits) < 50 {
		flags, n := data[0], min(1+int(data[0]>>2)%14, len(data)-1)
		lits = append(lits, Literal{Text: string(AppendLower(nil, data[1:1+n])), Prefix: flags&1 != 0, Suffix: flags&2 != 0, ID: int32(len(lits))})
		data = data[1+n:]
	}
	return lits
}

func TestFind(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		data := make([]byte, r.IntN(80))
		for i := range data {
			data[i] = "ab:\x04\x10\x1c"[r.IntN(6)]
		}
		text := make([]byte, r.IntN(40))
		for i := range text {
			text[i] = "abA:\x04"[r.IntN(5)]
		}
		check(t, literals(data), string(text), r.IntN(2) == 0)
	}
}

// Texts in which nearly everything occurs many times.
func TestFindMany(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 300 {
		data := make([]byte, 50+r.IntN(400))
		for i := range data {
			data[i] = "ab:\x04\x10\x1c"[r.IntN(6)]
		}
		text := make([]byte, r.IntN(2000))
		for i := range text {
			text[i] = "abA:\x04"[r.IntN(2+i%4)]
		}
		if i%3 == 0 {
			text = bytes.Repeat(text[:min(len(text), 9)], 100)
		}
		check(t, literals(data), string(text), r.IntN(2) == 0)
	}
}

// What Find returns is bounded by the number of literals, not by the text. Ten
// thousand windows of the text are those of two thousand literals.
func TestFindMemory(t *testing.T) {
	for _, word := range []string{"q", "zq", "zqzq", "zqzqzqzqz", "aaaaaaaaaaaa"} {
		for _, suffix := range []string{"", "x"} {
			var lits []Literal
			var w Windows
			const n = 2000
			for i := range n {
				lits = append(lits, Literal{Text: word, ID: int32(i)})
				w.Count(word)
			}
			lits = append(lits, Literal{Text: "not there", ID: n}, Literal{Text: word + "x", Suffix: true, ID: n + 1})
			m := New(lits, &w)
			text := []byte(strings.Repeat("zq", 20_000) + strings.Repeat("a", 20_000) + word + suffix)
			for range 3 {
				found := m.Find(nil, text, false)
				if len(found) > 3*len(lits)+fewHits || cap(found) > 20*len(lits) {
					t.Errorf("%s: %d found, of %d", word, len(found), len(lits))
				}
				slices.Sort(found)
				want := n
				if suffix != "" {
					want++
				}
				if found = slices.Compact(found); len(found) != want || slices.Contains(found, n) {
					t.Errorf("%s: %d of them found, want %d", word, len(found), want)
				}
			}
		}
	}
}

// A literal whose windows occur many times before it does itself.
func TestFindLate(t *testing.T) {
	const n = 200
	var w Windows
	for range 100_000 { // windows of the word, not of its end, are the rare ones
		w.Count("qqvwx")
		w.Count("zqvwx")
	}
	for _, word := range []string{"zq", "zqz", "zqzq", "zqzqz", "zqzqzqzqzq"} {
		var lits []Literal
		for i := range n {
			lits = append(lits, Literal{Text: word, ID: int32(i)})
		}
		lits = append(lits, Literal{Text: word + "vwx", ID: n})
		found := New(lits, &w).Find(nil, []byte(strings.Repeat("zq", 1000)+word+"vwx"), false)
		if !slices.Contains(found, n) {
			t.Errorf("%s: not found", word+"vwx")
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add([]byte("\x10abcd\x01a\x05ab"), "xxabcdab", false)
	f.Add([]byte("\x08xaJ\x10abcdA"), "xxaJdabcdab", false)
	f.Fuzz(func(t *testing.T, data []byte, text string, anyEnd bool) {
		if lits := literals(data); len(text) < 1<<12 {
			check(t, lits, text, anyEnd)
		}
	})
}

func TestAppendLower(t *testing.T) {
	var all []byte
	for c := range 256 {
		all = append(all, byte(c), byte(255-c), 'Q')
	}
	for n := range 40 {
		want := slices.Clone(all[n:])
		for i, c := range want {
			if c >= 'A' && c <= 'Z' {
				want[i] = c + 32
			}
		}
		if got := AppendLower([]byte("X"), all[n:]); !bytes.Equal(got[1:], want) {
			t.Fatalf("from %d: %q", n, got)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{10, 1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var lits []Literal
			var w Windows
			for i := range n {
				l := Literal{Text: fmt.Sprintf("spam%dword", i*7919), ID: int32(i)}
				lits = append(lits, l)
				w.Count(l.Text)
			}
			m := New(lits, &w)
			text := []byte("subject: please find attached the minutes of our meeting on 21 november, regards")
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var dst []int32
			for b.Loop() {
				dst = m.Find(dst[:0], text, false)
			}
		})
	}
}
