package diag

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func at(offset, line, col int) Position { return Position{offset, line, col} }

var sample = List{
	{
		File: "main.cf", Span: Span{at(30, 3, 1), at(39, 3, 10)}, Severity: Warning, Check: "unknown-parameter",
		Message: `unknown parameter "mynetwork"`,
		Related: []Related{{"main.cf", Span{Start: at(0, 1, 1)}, "first seen here"}},
		Fixes:   []Fix{{"rename to mynetworks", []Edit{{"main.cf", 30, 39, "mynetworks"}}}},
	},
	{File: "main.cf", Span: Span{Start: at(5, 1, 6)}, Severity: Error, Message: "missing '='"},
	{Severity: Info, Message: "nothing more"},
}

func TestString(t *testing.T) {
	want := []string{
		`main.cf:3:1: warning: unknown parameter "mynetwork" [unknown-parameter]`,
		`main.cf:1:6: error: missing '='`,
		`info: nothing more`,
	}
	for i, d := range sample {
		if d.String() != want[i] {
			t.Errorf("got  %s\nwant %s", d, want[i])
		}
	}
	if got := sample.Error(); got != strings.Join(want, "\n") {
		t.Errorf("Error: got %s", got)
	}
	if got := (Diagnostic{File: "a", Span: Span{Start: Position{Line: 7}}, Severity: Info, Message: "m"}).String(); got != "a:7: info: m" {
		t.Errorf("no column: got %s", got)
	}
}

func TestListAsError(t *testing.T) {
	if err := List(nil).Err(); err != nil {
		t.Errorf("empty list is %v", err)
	}
	err := fmt.Errorf("reading: %w", sample.Err())
	var l List
	if !errors.As(err, &l) || len(l) != 3 {
		t.Errorf("errors.As gives %v", l)
	}
	var d Diagnostic
	if !errors.As(err, &d) || d.Message != sample[0].Message {
		t.Errorf("errors.As to a Diagnostic gives %v", d)
	}
	if List(nil).Max() != 0 || sample.Max() != Error || len(sample.AtLeast(Warning)) != 2 {
		t.Error("Max or AtLeast")
	}
}

func TestSort(t *testing.T) {
	l := append(List{}, sample...)
	l = append(l, Diagnostic{File: "main.cf", Span: Span{Start: at(5, 1, 6)}, Severity: Info, Message: "a"})
	l.Sort()
	var got []string
	for _, d := range l {
		got = append(got, d.Severity.String())
	}
	if strings.Join(got, " ") != "info error info warning" {
		t.Errorf("got %v", got)
	}
}

func TestWriteText(t *testing.T) {
	src := []byte("relayhost =\n\tmx, mail\x01\nmynetwork = 10.0.0.0/8\r\n")
	l := List{
		{File: "main.cf", Span: Span{at(23, 3, 1), at(32, 3, 10)}, Severity: Warning, Check: "c", Message: "m", Fixes: []Fix{{Message: "mend it"}}},
		{File: "main.cf", Span: Span{at(17, 2, 6), at(22, 2, 11)}, Severity: Error, Message: "n",
			Related: []Related{{"x", Span{Start: at(1, 1, 2)}, "there"}}},
		{File: "other", Span: Span{Start: at(900, 9, 1)}, Severity: Info, Message: "no source"},
		{File: "main.cf", Span: Span{Start: at(9000, 2, 1)}, Severity: Info, Message: "place outside the source"},
	}
	var b bytes.Buffer
	l.WriteText(&b, func(f string) []byte {
		if f == "main.cf" {
			return src
		}
		return nil
	})
	want := "main.cf:3:1: warning: m [c]\n    mynetwork = 10.0.0.0/8\n    ^~~~~~~~~\n    fix: mend it\n" +
		"main.cf:2:6: error: n\n    \tmx, mail?\n    \t    ^~~~~\n    x:1:2: there\n" +
		"other:9:1: info: no source\nmain.cf:2:1: info: place outside the source\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := sample.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(b.String(), "\n")
	want := `{"file":"main.cf","line":3,"col":1,"offset":30,"end_line":3,"end_col":10,"end_offset":39,"severity":"warning",` +
		`"check":"unknown-parameter","message":"unknown parameter \"mynetwork\"",` +
		`"related":[{"file":"main.cf","line":1,"col":1,"offset":0,"message":"first seen here"}],` +
		`"fixes":[{"message":"rename to mynetworks","edits":[{"file":"main.cf","start":30,"end":39,"new":"mynetworks"}]}]}`
	if first != want {
		t.Errorf("got  %s\nwant %s", first, want)
	}
	dec := json.NewDecoder(&b)
	for _, d := range sample {
		var back Diagnostic
		if err := dec.Decode(&back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, d) {
			t.Errorf("got back %+v\nwant %+v", back, d)
		}
	}
	if _, err := json.Marshal(Diagnostic{Message: "no severity"}); err == nil {
		t.Error("a forgotten severity does not show")
	}
}

func TestApplyEdits(t *testing.T) {
	src := []byte("0123456789")
	for _, c := range []struct {
		edits []Edit
		want  string
	}{
		{nil, "0123456789"},
		{[]Edit{{"", 8, 9, "E"}, {"", 0, 2, "ab"}, {"", 2, 2, "+"}}, "ab+234567E9"},
		{[]Edit{{"", 10, 10, "end"}, {"", 0, 0, "a"}, {"", 0, 0, "b"}}, "ab0123456789end"},
		{[]Edit{{"", 0, 10, ""}}, ""},
		{[]Edit{{"", 0, 3, ""}, {"", 2, 4, ""}}, "overlaps"},
		{[]Edit{{"", 4, 11, ""}}, "outside"},
		{[]Edit{{"", -1, 2, ""}}, "outside"},
		{[]Edit{{"", 5, 4, ""}}, "outside"},
	} {
		got, err := ApplyEdits(src, c.edits)
		if err != nil {
			if !strings.Contains(err.Error(), c.want) || got != nil {
				t.Errorf("%v: got %q, %v", c.edits, got, err)
			}
		} else if string(got) != c.want {
			t.Errorf("%v: got %q, want %q", c.edits, got, c.want)
		}
	}
	if string(src) != "0123456789" {
		t.Error("the source was changed")
	}
}

func TestApplyFixes(t *testing.T) {
	fix := func(file string, edits ...Edit) Diagnostic {
		return Diagnostic{File: file, Severity: Warning, Message: "m", Fixes: []Fix{{"f", edits}}}
	}
	found := List{
		fix("a", Edit{"a", 0, 1, "X"}, Edit{"a", 4, 5, "Y"}),
		fix("a", Edit{"a", 4, 6, "Z"}),                       // overlaps the first
		fix("a", Edit{"a", 2, 2, "+"}),                       // fits
		fix("a", Edit{"a", 2, 2, "-"}),                       // order would be a guess
		fix("b", Edit{"b", 0, 1, "B"}),                       // another file
		fix("a", Edit{"a", 8, 9, "Q"}, Edit{"b", 0, 1, "Q"}), // needs another file too
		{File: "a", Severity: Info, Message: "nothing to mend"},
	}
	fixed, skipped, err := ApplyFixes("a", []byte("0123456789"), found)
	if err != nil || string(fixed) != "X1+23Y56789" || len(skipped) != 3 {
		t.Errorf("got %q, %d skipped, %v", fixed, len(skipped), err)
	}
}

func FuzzApplyEdits(f *testing.F) {
	f.Add([]byte("0123456789"), []byte{0, 2, 'a', 4, 4, 'b'})
	f.Add([]byte(""), []byte{0, 0, 'x'})
	f.Fuzz(func(t *testing.T, src, program []byte) {
		var edits []Edit
		for len(program) >= 3 && len(edits) < 50 {
			edits = append(edits, Edit{"", int(int8(program[0])), int(int8(program[1])), string(program[2:3])})
			program = program[3:]
		}
		got, err := ApplyEdits(src, edits)
		if err != nil {
			return
		}
		// The simple version: from the end to the front, one at a time; of
		// insertions at one place the last is made first.
		want := bytes.Clone(src)
		for len(edits) > 0 {
			last := 0
			for i, e := range edits {
				l := edits[last]
				if e.Start > l.Start || e.Start == l.Start && e.End >= l.End {
					last = i
				}
			}
			e := edits[last]
			want = append(want[:e.Start:e.Start], append([]byte(e.New), want[e.End:]...)...)
			edits = append(edits[:last:last], edits[last+1:]...)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
	})
}
