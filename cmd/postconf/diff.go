package main

import (
	"fmt"
	"strings"
)

// unifiedDiff is what "diff -u" prints for two contents of the same file, with
// three lines around every change; "" when they are equal.
func unifiedDiff(name string, old, edited []byte) string {
	a, b := lines(old), lines(edited)
	ops := diffLines(a, b)
	var out strings.Builder
	const around = 3
	for i := 0; i < len(ops); {
		if ops[i].kind == ' ' {
			i++
			continue
		}
		start := max(0, i-around)
		end, last := i, i
		for ; end < len(ops) && end-last <= 2*around; end++ {
			if ops[end].kind != ' ' {
				last = end
			}
		}
		end = min(len(ops), last+around+1)
		if out.Len() == 0 {
			fmt.Fprintf(&out, "--- %s\n+++ %s\n", name, name)
		}
		writeHunk(&out, ops[start:end])
		i = end
	}
	return out.String()
}

func writeHunk(out *strings.Builder, ops []lineOp) {
	var removed, added int
	for _, op := range ops {
		if op.kind != '+' {
			removed++
		}
		if op.kind != '-' {
			added++
		}
	}
	place := func(at, n int) string {
		if n == 0 { // before the first line
			return fmt.Sprintf("%d,0", at)
		}
		if n == 1 {
			return fmt.Sprint(at + 1)
		}
		return fmt.Sprintf("%d,%d", at+1, n)
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", place(ops[0].a, removed), place(ops[0].b, added))
	for _, op := range ops {
		out.WriteByte(op.kind)
		out.WriteString(op.text)
		if !strings.HasSuffix(op.text, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

func lines(src []byte) (all []string) {
	for line := range strings.Lines(string(src)) {
		all = append(all, line)
	}
	return all
}

// lineOp is a line that stays (' '), goes ('-') or comes ('+'); a and b are how
// many lines of both contents stand before it.
type lineOp struct {
	kind byte
	text string
	a, b int
}

// diffLines compares what is left when equal lines at both ends are taken away,
// by the longest common subsequence; when that would be large, everything in
// between goes and comes.
func diffLines(a, b []string) []lineOp {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var ops []lineOp
	at := [2]int{}
	add := func(kind byte, text string) {
		ops = append(ops, lineOp{kind, text, at[0], at[1]})
		if kind != '+' {
			at[0]++
		}
		if kind != '-' {
			at[1]++
		}
	}
	for _, l := range a[:head] {
		add(' ', l)
	}
	x, y := a[head:len(a)-tail], b[head:len(b)-tail]
	const most = 4 << 20
	if len(x)*len(y) > most {
		for _, l := range x {
			add('-', l)
		}
		for _, l := range y {
			add('+', l)
		}
	} else {
		common := commonLengths(x, y)
		width := len(y) + 1
		for i, j := 0, 0; i < len(x) || j < len(y); {
			switch {
			case i < len(x) && j < len(y) && x[i] == y[j]:
				add(' ', x[i])
				i++
				j++
			case j == len(y) || i < len(x) && common[(i+1)*width+j] >= common[i*width+j+1]:
				add('-', x[i])
				i++
			default:
				add('+', y[j])
				j++
			}
		}
	}
	for _, l := range a[len(a)-tail:] {
		add(' ', l)
	}
	return ops
}

// commonLengths[i*(len(y)+1)+j] is the length of the longest common subsequence
// of x[i:] and y[j:].
func commonLengths(x, y []string) []int32 {
	width := len(y) + 1
	t := make([]int32, (len(x)+1)*width)
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				t[i*width+j] = t[(i+1)*width+j+1] + 1
			} else {
				t[i*width+j] = max(t[(i+1)*width+j], t[i*width+j+1])
			}
		}
	}
	return t
}
