package maincf

import (
	"bytes"
	"io"
	"testing"
)

// megabyte is a main.cf of 1 MB: the corpus, again and again.
func megabyte(b *testing.B) []byte {
	var all bytes.Buffer
	files := corpus(b)
	for all.Len() < 1<<20 {
		for _, src := range files {
			all.Write(src)
			all.WriteByte('\n')
		}
	}
	return all.Bytes()[:1<<20]
}

// BenchmarkParsePrint reads and writes a main.cf of 1 MB.
func BenchmarkParsePrint(b *testing.B) {
	src := megabyte(b)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		f, _ := Parse("main.cf", src)
		if _, err := f.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	src := corpus(b)["051-kiowa-postfix-cyrus-mysql.cf"]
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		Parse("main.cf", src)
	}
}

// BenchmarkSet changes a value back and forth in an ordinary file.
func BenchmarkSet(b *testing.B) {
	f, err := Parse("main.cf", corpus(b)["051-kiowa-postfix-cyrus-mysql.cf"])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := f.Set("myhostname", []string{"a.example.net", "b.example.net"}[i%2]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEval evaluates the default with the most references.
func BenchmarkEval(b *testing.B) {
	f, _ := Parse("main.cf", corpus(b)["051-kiowa-postfix-cyrus-mysql.cf"])
	e := &Env{Main: f, Runtime: map[string]string{"mynetworks": "127.0.0.0/8"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Eval("proxy_read_maps"); err != nil {
			b.Fatal(err)
		}
	}
}
